--- Make an account ready, behind all that have fewer open leases or are idle for longer.
-- The score is `open leases * 2^42 + sequence`: exact in a double up to 2,047 leases.
local function rank(pool, account_id, open)
  local sequence = redis.call('HINCRBY', pool.counts, 'sequence', 1)
  local score = string.format('%.0f', open * 4398046511104 + sequence)
  redis.call('ZADD', pool.ready, score, account_id)
end
