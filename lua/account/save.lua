--- Add an account, ready at once. A known id changes nothing.
--
-- @key  pools       HASH    account id -> pool
-- @key  records     HASH    account id -> what pages show of it, JSON
-- @key  secrets     HASH    account id -> sealed credentials
-- @key  index       ZSET    account id -> 0, so that lists page by id
-- @key  ready       ZSET    account id -> open leases and last use, packed
-- @key  counts      HASH    status, "total", "sequence" -> number
-- @arg  account_id  string  the account
-- @arg  pool        string  the pool that `ready` and `counts` belong to
-- @arg  record      bytes   what pages show of it, JSON
-- @arg  secret      bytes   sealed credentials
-- @reply saved
-- @reply known  pool:string
-- @cost  O(log n) in the number of accounts
local pools, records, secrets, index, ready, counts =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local account_id, pool = ARGV[1], ARGV[2]

local known = redis.call('HGET', pools, account_id)
if known then
  return { 'known', known }
end
redis.call('HSET', pools, account_id, pool)
redis.call('HSET', records, account_id, ARGV[3])
redis.call('HSET', secrets, account_id, ARGV[4])
redis.call('ZADD', index, 0, account_id)
redis.call('ZADD', ready, 0, account_id) -- never used: first in the order
redis.call('HINCRBY', counts, 'total', 1)
redis.call('HINCRBY', counts, 'active', 1)
return { 'saved' }
