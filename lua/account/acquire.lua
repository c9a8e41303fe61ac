--- Lease the account with the fewest open leases; of these, the one that is idle for longest.
-- Pools are tried in their order. Due timers go first, at most 64 per call: leases that ran out
-- end, accounts that have cooled become active. So nothing waits for a sweeper.
-- A full account stays in its ready set, where it ranks last: a changed limit needs no repair.
--
-- @key  leases           HASH     lease id -> account id
-- @key  held             HASH     account id -> its open lease ids, space between
-- @key  statuses         HASH     account id -> "status since_ms until_ms reason"; none: active
-- @key  secrets          HASH     account id -> sealed credentials
-- @key  user_ids         HASH     account id -> the upstream's user id
-- @keys pools            ZSET,ZSET,HASH  per pool: ready set, timers, counts
-- @arg  lease_id         string   chosen by the caller, unique
-- @arg  ttl_ms           integer  lifetime of the lease
-- @arg  max_concurrency  integer  open leases per account, at most 2047
-- @arg  now_ms           integer  ms since epoch; 0 = server clock
-- @args exclude          string   account ids that must not be chosen, at most 64
-- @reply leased      account_id:string pool_index:integer secret:bytes user_id:string expires_at_ms:integer
-- @reply none_ready  retry_after_ms:integer total:integer usable:integer  (-1: no timer helps)
-- @repeatable a lease id that is leased already gets the same lease
-- @cost  O(log n) in the number of accounts
-- @include clock
-- @include count_words
-- @include rank
-- @include mark
-- @include end_lease
-- @include handle_due
local leases, held, statuses, secrets, user_ids = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local lease_id, ttl_ms, limit, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), clock(ARGV[4])

local pools, budget = {}, 64
for at = 6, #KEYS, 3 do
  local pool = { ready = KEYS[at], timers = KEYS[at + 1], counts = KEYS[at + 2] }
  local keys = { leases = leases, held = held, statuses = statuses }
  pools[#pools + 1] = pool
  budget = budget - handle_due(keys, pool, now, budget)
end

local function leased(account_id, index, expires_at_ms)
  local secret = redis.call('HGET', secrets, account_id)
  local user_id = redis.call('HGET', user_ids, account_id) or ''
  return { 'leased', account_id, index - 1, secret, user_id, expires_at_ms }
end

local function find_again(account_id)
  for index, pool in ipairs(pools) do
    local expires_at_ms = redis.call('ZSCORE', pool.timers, 'lease ' .. lease_id)
    if expires_at_ms then
      return leased(account_id, index, tonumber(expires_at_ms))
    end
  end
  return redis.error_reply('ERR the lease is held in another pool')
end

local excluded, excluded_count = {}, #ARGV - 4
for at = 5, #ARGV do
  excluded[ARGV[at]] = true
end
local function choose(pool)
  for _, id in ipairs(redis.call('ZRANGE', pool.ready, 0, excluded_count)) do
    if not excluded[id] then
      local others = redis.call('HGET', held, id)
      return count_words(others) < limit and id or nil, others
    end
  end
end

local function grant(pool, account_id, others)
  local expires_at_ms = now + ttl_ms
  redis.call('HSET', leases, lease_id, account_id)
  redis.call('HSET', held, account_id, others and others .. ' ' .. lease_id or lease_id)
  redis.call('ZADD', pool.timers, string.format('%.0f', expires_at_ms), 'lease ' .. lease_id)
  rank(pool, account_id, count_words(others) + 1)
  return expires_at_ms
end

local first, total, usable = math.huge, 0, 0
local function note_busy(pool)
  local counts = redis.call('HMGET', pool.counts, 'total', 'active', 'cooling')
  total = total + (counts[1] or 0)
  usable = usable + (counts[2] or 0) + (counts[3] or 0)
  first = math.min(first, redis.call('ZRANGE', pool.timers, 0, 0, 'WITHSCORES')[2] or math.huge)
end

local known = redis.call('HGET', leases, lease_id)
if known then
  return find_again(known)
end
for index, pool in ipairs(pools) do
  local account_id, others = choose(pool)
  if account_id then
    return leased(account_id, index, grant(pool, account_id, others))
  end
  note_busy(pool)
end
local wait_ms = first < math.huge and math.max(1, first - now) or -1
return { 'none_ready', wait_ms, total, usable }
