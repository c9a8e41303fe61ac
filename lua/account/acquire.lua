--- Lease an account for a request, or let the request wait for one. One round trip, nothing scanned.
-- What is due is handled first, so nothing depends on a sweeper. A waiting request that was handed an
-- account in the meantime finds its lease here, under the same lease id.
--
-- @key  sessions      HASH     session -> account id
-- @key  session_ends  ZSET     session -> when it is forgotten, ms since epoch
-- @key  suspects      SET      accounts that this prompt has hurt
-- @arg  request       bytes    AcquireRequest of store/account_requests.py, msgpack
-- @arg  seed          integer  for the strategies that draw
-- @arg  now_ms        integer  ms since epoch; 0 = server clock
-- @reply leased      account_id:string pool:string mode:string secret:bytes user_id:string expires_at_ms:integer
-- @reply waiting     ends_at_ms:integer
-- @reply none_ready  retry_after_ms:integer total:integer usable:integer  (-1: no timer helps)
-- @reply line_full   whose:string retry_after_ms:integer  ("key" or "pool")
-- @reply poisonous   retry_after_ms:integer  (this prompt has hurt too many accounts)
-- @repeatable a lease id that is leased already gets the same lease; one that waits goes on waiting
-- @cost  O(log n) in the number of accounts
-- @include clock
-- @include open_pools
-- @include load_account
-- @include keep_account
-- @include set_timer
-- @include free_units
-- @include section_of
-- @include rank_of
-- @include place
-- @include place_all
-- @include mark
-- @include first_reset
-- @include judge_windows
-- @include lose_number
-- @include fill_window
-- @include drop_waiter
-- @include fits
-- @include grant
-- @include offer
-- @include put_back
-- @include return_units
-- @include end_lease
-- @include forget_account
-- @include handle_due
-- @include draw
-- @include candidates
-- @include choose
-- @include follow_session
-- @include find_account
-- @include find_bound
-- @include number_tags
-- @include bind_session
-- @include stand_in_line
-- @include outlook
-- @include wait_or_refuse
local store = open_pools(3)
local sessions, session_ends, suspects = KEYS[13], KEYS[14], KEYS[15]
local request, now = cmsgpack.unpack(ARGV[1]), clock(ARGV[3])

local bound = find_bound(sessions, session_ends, request, now)
-- `is_kept`: the session stays with the account that it has.
local function leased(id, account, mode, is_kept)
  if request.session ~= '' and not (is_kept and bound ~= id) then
    bind_session(sessions, session_ends, request.session, id, now, request.session_ttl_ms)
  end
  local secret = redis.call('HGET', store.secrets, id)
  return { 'leased', id, account.pool, mode, secret, account.user or '', now + request.ttl_ms }
end

handle_due(store, now, 64)
local lease = redis.call('HGET', store.leases, request.lease_id)
if lease then
  local id, mode, _, born = unpack(cmsgpack.unpack(lease))
  local account = load_account(store, id)
  if account and account.born == born then
    set_timer(store, 'lease ' .. request.lease_id, now + request.ttl_ms)
    return leased(id, account, mode, bound)
  end
  end_lease(store, request.lease_id, cmsgpack.unpack(lease), false)
end
local waits = redis.call('HGET', store.waiters, request.lease_id)
if waits then
  return { 'waiting', cmsgpack.unpack(waits).ends }
end
if redis.call('SCARD', suspects) >= 3 then
  return { 'poisonous', redis.call('PTTL', suspects) }
end
if redis.call('HGET', store.meta, 'strategy') ~= request.strategy then
  redis.call('HSET', store.meta, 'strategy', request.strategy, 'to_rank', 0)
end
store.strategy = request.strategy

math.randomseed(tonumber(ARGV[2]))
if not number_tags(store, request) then
  return { 'none_ready', -1, 0, 0 }
end
local id, account, mode, is_kept = find_account(store, request, bound, now)
if id then
  grant(store, id, account, mode, request, now, request.ttl_ms)
  return leased(id, account, mode, is_kept)
end
return wait_or_refuse(store, request, now)
