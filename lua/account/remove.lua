--- Forget an account and end its leases.
--
-- @key  pools       HASH    account id -> pool
-- @key  records     HASH    account id -> what pages show of it, JSON
-- @key  secrets     HASH    account id -> sealed credentials
-- @key  user_ids    HASH    account id -> the upstream's user id
-- @key  index       ZSET    account id -> 0, so that lists page by id
-- @key  leases      HASH    lease id -> account id
-- @key  held        HASH    account id -> its open lease ids, space between
-- @key  statuses    HASH    account id -> "status since_ms until_ms reason"; none: active
-- @keys pool_keys   ZSET,ZSET,HASH  per pool: ready set, timers, counts
-- @arg  account_id  string  the account
-- @args pool_names  string  the pools that `pool_keys` belong to, in the same order
-- @reply removed  ended_leases:integer
-- @reply unknown
-- @cost  O(log n) in the number of accounts, for each of its open leases (at most 2047)
-- @include find_pool
local pools, records, secrets, user_ids = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local index, leases, held, statuses = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local account_id = ARGV[1]

local pool_name = redis.call('HGET', pools, account_id)
if not pool_name then
  return { 'unknown' }
end
local pool = find_pool(pool_name, 9, { unpack(ARGV, 2) })
local status = string.match(redis.call('HGET', statuses, account_id) or 'active', '^%a+')
local ended = 0
for lease_id in string.gmatch(redis.call('HGET', held, account_id) or '', '%S+') do
  redis.call('HDEL', leases, lease_id)
  redis.call('ZREM', pool.timers, 'lease ' .. lease_id)
  ended = ended + 1
end
redis.call('ZREM', pool.timers, 'cool ' .. account_id)
redis.call('ZREM', pool.ready, account_id)
redis.call('HINCRBY', pool.counts, 'total', -1)
redis.call('HINCRBY', pool.counts, status, -1)
for _, hash in ipairs({ pools, records, secrets, user_ids, held, statuses }) do
  redis.call('HDEL', hash, account_id)
end
redis.call('ZREM', index, account_id)
return { 'removed', ended }
