--- Keep what came of a claimed item, until the batch is forgotten. An item has one result: the last one.
--
-- @key  claimed  ZSET     item -> when its claim ends, ms since epoch
-- @key  results  HASH     item -> what came of it, sealed
-- @key  leader   HASH     "epoch" of who leads
-- @arg  item     string   account id
-- @arg  result   bytes    sealed
-- @arg  epoch    integer  the leader's
-- @reply kept
-- @reply unclaimed    (nobody works on it: it is counted, or was given up; nothing changed)
-- @reply stale_epoch  (another has taken the lead; nothing changed)
-- @repeatable the same result takes its own place
-- @cost  O(log n) in the number of claimed items
-- @include is_stale
local claimed, results, leader = KEYS[1], KEYS[2], KEYS[3]
local item, result = ARGV[1], ARGV[2]

if is_stale(leader, ARGV[3]) then
  return { 'stale_epoch' }
end
if not redis.call('ZSCORE', claimed, item) then
  return { 'unclaimed' }
end
redis.call('HSET', results, item, result)
return { 'kept' }
