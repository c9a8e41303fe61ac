--- Take the accounts whose quota is to be asked for now: each is taken once, and comes back after
-- `claim_ms` if nothing was written down by then. A request that found no account brings those forward
-- that have used up a window, of the first 512: once in a while for all hosts.
--
-- @key  leader    HASH     "epoch" of who leads
-- @arg  limit     integer  accounts at most
-- @arg  claim_ms  integer  when a taken account is due again
-- @arg  epoch     integer  the leader's
-- @arg  now_ms    integer  ms since epoch; 0 = server clock
-- @reply taken        accounts:bytes  (msgpack: id and pool in turn)
-- @reply stale_epoch  (another has taken the lead; nothing changed)
-- @cost  O((limit + 768) * log n) in the number of accounts
-- @include is_stale
-- @include clock
-- @include open_pools
-- @include load_account
local store, leader = open_pools(1), KEYS[13]
local limit, claim_ms, now = tonumber(ARGV[1]), tonumber(ARGV[2]), clock(ARGV[4])

if is_stale(leader, ARGV[3]) then
  return { 'stale_epoch' }
end
local this_moment = string.format('%.0f', now)

local function is_asked_for(account)
  return account.status == 'active' or account.status == 'cooling' or account.status == 'exhausted'
end

local function has_used_up(account)
  local is_empty = account.status == 'exhausted'
  for _, window in pairs(account.windows) do
    -- 4: what the dearest chat costs; of what has no total there may never be as many.
    is_empty = is_empty or (window.total and window.left < (window.once and 1 or 4))
  end
  return is_empty
end

local function meet_demand()
  local demand = redis.call('HMGET', store.meta, 'demanded', 'demand_met')
  if (tonumber(demand[1]) or 0) <= (tonumber(demand[2]) or 0) then
    return
  end
  redis.call('HSET', store.meta, 'demand_met', demand[1])
  local after = '(' .. this_moment
  local later = redis.call('ZRANGE', store.refresh, after, '+inf', 'BYSCORE', 'LIMIT', 0, 512)
  for _, id in ipairs(later) do
    local account = load_account(store, id)
    if is_asked_for(account) and has_used_up(account) then
      redis.call('ZADD', store.refresh, this_moment, id)
    end
  end
end

meet_demand()
local most = limit + 256 -- those that are not asked for are only put off
local due = redis.call('ZRANGE', store.refresh, '-inf', this_moment, 'BYSCORE', 'LIMIT', 0, most)
local taken = {}
for _, id in ipairs(due) do
  local account = load_account(store, id)
  local is_wanted = is_asked_for(account)
  if is_wanted and #taken >= 2 * limit then
    break
  end
  local again_ms = now + (is_wanted and claim_ms or 86400000)
  redis.call('ZADD', store.refresh, string.format('%.0f', again_ms), id)
  if is_wanted then
    taken[#taken + 1], taken[#taken + 2] = id, account.pool
  end
end
return { 'taken', cmsgpack.pack(taken) }
