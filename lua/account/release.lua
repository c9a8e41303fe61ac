--- End a lease with its outcome. A lease ends once: what comes later changes nothing.
-- rate_limited cools the account, unauthorized expires it; every other outcome leaves its status.
--
-- @key  leases       HASH     lease id -> account id
-- @key  held         HASH     account id -> its open lease ids, space between
-- @key  statuses     HASH     account id -> "status since_ms until_ms reason"; none: active
-- @key  ready        ZSET     account id -> open leases and last use, packed
-- @key  timers       ZSET     "lease id" or "cool account_id" -> its end, ms since epoch
-- @key  counts       HASH     status, "total", "sequence" -> number
-- @arg  lease_id     string   the lease
-- @arg  account_id   string   the account it is for
-- @arg  outcome      string   ok, rate_limited, unauthorized, failed or cancelled
-- @arg  cooldown_ms  integer  how long a rate-limited account cools
-- @arg  reason       string   one word for the account's record
-- @arg  now_ms       integer  ms since epoch; 0 = server clock
-- @reply released  status:string
-- @reply gone      (it had ended by release, expiry or removal of its account)
-- @repeatable the second release of a lease finds it gone
-- @cost  O(log n) in the number of accounts
-- @include clock
-- @include rank
-- @include mark
-- @include end_lease
local leases, held, statuses, ready, timers, counts =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local lease_id, account_id, outcome, reason = ARGV[1], ARGV[2], ARGV[3], ARGV[5]
local now = clock(ARGV[6])
local pool = { ready = ready, timers = timers, counts = counts }

-- The complete rules of health and quota belong here: they decide the status from the outcome.
local function judge(entry, status)
  if outcome == 'unauthorized' and status ~= 'disabled' then
    mark(statuses, pool, account_id, 'expired', now, 0, reason)
    return 'expired'
  end
  if outcome == 'rate_limited' and (status == 'active' or status == 'cooling') then
    local until_ms = now + ARGV[4]
    local cooling_until_ms = tonumber(string.match(entry or '', '^cooling %d+ (%d+)') or 0)
    if until_ms > cooling_until_ms then
      mark(statuses, pool, account_id, 'cooling', now, until_ms, reason)
    end
    return 'cooling'
  end
  return status
end

local ends_at_ms = redis.call('ZSCORE', timers, 'lease ' .. lease_id)
if not ends_at_ms or redis.call('HGET', leases, lease_id) ~= account_id then
  return { 'gone' }
end
local left = end_lease(leases, held, timers, lease_id, account_id)
local entry = redis.call('HGET', statuses, account_id)
local status = string.match(entry or 'active', '^%a+')
local is_over = tonumber(ends_at_ms) <= now
if not is_over then
  status = judge(entry, status)
end
if status == 'active' then
  rank(pool, account_id, left)
end
if is_over then
  return { 'gone' }
end
return { 'released', status }
