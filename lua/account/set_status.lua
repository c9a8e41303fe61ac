--- Set the status of an account by hand. Its open leases go on.
--
-- @key  pools       HASH     account id -> pool
-- @key  held        HASH     account id -> its open lease ids, space between
-- @key  statuses    HASH     account id -> "status since_ms until_ms reason"; none: active
-- @keys pool_keys   ZSET,ZSET,HASH  per pool: ready set, timers, counts
-- @arg  account_id  string   the account
-- @arg  status      string   active, cooling, expired or disabled
-- @arg  for_ms      integer  how long it cools
-- @arg  reason      string   one word for the account's record
-- @arg  now_ms      integer  ms since epoch; 0 = server clock
-- @args pool_names  string   the pools that `pool_keys` belong to, in the same order
-- @reply changed  before:string
-- @reply unknown
-- @cost  O(log n) in the number of accounts
-- @include clock
-- @include count_words
-- @include rank
-- @include mark
-- @include find_pool
local pools, held, statuses = KEYS[1], KEYS[2], KEYS[3]
local account_id, status, reason, now = ARGV[1], ARGV[2], ARGV[4], clock(ARGV[5])

local pool_name = redis.call('HGET', pools, account_id)
if not pool_name then
  return { 'unknown' }
end
local pool = find_pool(pool_name, 4, { unpack(ARGV, 6) })
local before = string.match(redis.call('HGET', statuses, account_id) or 'active', '^%a+')
local until_ms = status == 'cooling' and now + ARGV[3] or 0
if status ~= before or status ~= 'active' then
  mark(statuses, pool, account_id, status, now, until_ms, reason)
end
if status == 'active' and before ~= 'active' then
  rank(pool, account_id, count_words(redis.call('HGET', held, account_id)))
end
return { 'changed', before }
