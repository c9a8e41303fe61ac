--- Take the accounts whose quota is to be asked for now: each is taken once, and comes back after
-- `claim_ms` if nothing was written down by then. A request that found no account brings the first ones
-- forward, once in a while for all hosts.
--
-- @key  leader    HASH     "epoch" of who leads
-- @arg  limit     integer  accounts at most
-- @arg  claim_ms  integer  when a taken account is due again
-- @arg  epoch     integer  the leader's
-- @arg  now_ms    integer  ms since epoch; 0 = server clock
-- @reply taken        accounts:bytes  (msgpack: id and pool in turn)
-- @reply stale_epoch  (another has taken the lead; nothing changed)
-- @cost  O(limit * log n) in the number of accounts
-- @include is_stale
-- @include clock
-- @include open_pools
-- @include load_account
local store, leader = open_pools(1), KEYS[13]
local limit, claim_ms, now = tonumber(ARGV[1]), tonumber(ARGV[2]), clock(ARGV[4])

if is_stale(leader, ARGV[3]) then
  return { 'stale_epoch' }
end
local demand = redis.call('HMGET', store.meta, 'demanded', 'demand_met')
local last = string.format('%.0f', now)
if (tonumber(demand[1]) or 0) > (tonumber(demand[2]) or 0) then
  last = '+inf'
  redis.call('HSET', store.meta, 'demand_met', demand[1])
end
local taken = {}
for _, id in ipairs(redis.call('ZRANGE', store.refresh, '-inf', last, 'BYSCORE', 'LIMIT', 0, limit)) do
  local account = load_account(store, id)
  local is_wanted = account.status == 'active' or account.status == 'cooling' or account.status == 'exhausted'
  redis.call('ZADD', store.refresh, string.format('%.0f', now + (is_wanted and claim_ms or 86400000)), id)
  if is_wanted then
    taken[#taken + 1], taken[#taken + 2] = id, account.pool
  end
end
return { 'taken', cmsgpack.pack(taken) }
