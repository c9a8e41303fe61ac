--- Add an account with its status; an active one is ready at once. A known id changes nothing.
--
-- @key  pools        HASH     account id -> pool
-- @key  records      HASH     account id -> what pages show of it, JSON
-- @key  secrets      HASH     account id -> sealed credentials
-- @key  index        ZSET     account id -> 0, so that lists page by id
-- @key  statuses     HASH     account id -> "status since_ms until_ms reason"; none: active
-- @key  ready        ZSET     account id -> open leases and last use, packed
-- @key  timers       ZSET     "lease id" or "cool account_id" -> its end, ms since epoch
-- @key  counts       HASH     status, "total", "sequence" -> number
-- @arg  account_id   string   the account
-- @arg  pool         string   the pool that `ready`, `timers` and `counts` belong to
-- @arg  record       bytes    what pages show of it, JSON
-- @arg  secret       bytes    sealed credentials
-- @arg  status       string   active, cooling, expired or disabled
-- @arg  cooldown_ms  integer  how long a cooling account cools from now on
-- @arg  reason       string   one word, for a status that is not active
-- @arg  now_ms       integer  ms since epoch; 0 = server clock
-- @reply saved
-- @reply known  pool:string
-- @cost  O(log n) in the number of accounts
-- @include clock
-- @include mark
local pools, records, secrets, index, statuses =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local pool = { ready = KEYS[6], timers = KEYS[7], counts = KEYS[8] }
local account_id, status, reason, now = ARGV[1], ARGV[5], ARGV[7], clock(ARGV[8])

local known = redis.call('HGET', pools, account_id)
if known then
  return { 'known', known }
end
redis.call('HSET', pools, account_id, ARGV[2])
redis.call('HSET', records, account_id, ARGV[3])
redis.call('HSET', secrets, account_id, ARGV[4])
redis.call('ZADD', index, 0, account_id)
redis.call('ZADD', pool.ready, 0, account_id) -- never used: first in the order
redis.call('HINCRBY', pool.counts, 'total', 1)
redis.call('HINCRBY', pool.counts, 'active', 1)
if status ~= 'active' then
  local until_ms = status == 'cooling' and now + ARGV[6] or 0
  mark(statuses, pool, account_id, status, now, until_ms, reason)
end
return { 'saved' }
