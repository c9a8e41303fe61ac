--- Add an account with its status; an active one is ready at once. A known id changes nothing, unless
-- that account was deleted: then it is as new.
--
-- @arg  account_id  string   the account
-- @arg  account     bytes    AccountDraft of store/account_requests.py, msgpack
-- @arg  secret      bytes    sealed credentials
-- @arg  now_ms      integer  ms since epoch; 0 = server clock
-- @reply saved
-- @reply known  pool:string
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
-- @include drop_waiter
-- @include fits
-- @include grant
-- @include offer
-- @include put_back
-- @include forget_account
-- @include number_of_tag
local store = open_pools(0)
local id, draft, now = ARGV[1], cmsgpack.unpack(ARGV[2]), clock(ARGV[4])

local known = load_account(store, id)
if known and known.status ~= 'deleted' then
  return { 'known', known.pool }
end
if known then
  forget_account(store, id, known, now)
end
local account = {
  pool = draft.pool, status = 'active', mask = draft.mask, made = draft.made_ms,
  windows = draft.windows,
  limit = draft.limit > 0 and draft.limit or nil,
  born = redis.call('HINCRBY', store.meta, 'births', 1),
}
for at, name in ipairs(draft.tags) do
  account.tags = account.tags or {}
  account.tags[at] = number_of_tag(store, name)
end
redis.call('HSET', store.secrets, id, ARGV[3])
redis.call('ZADD', store.index, string.format('%.0f', draft.made_ms), id)
redis.call('ZADD', store.refresh, string.format('%.0f', now), id)
redis.call('HINCRBY', store.counts, draft.pool .. ' total', 1)
redis.call('HINCRBY', store.counts, draft.pool .. ' active', 1)
for mode, window in pairs(account.windows) do
  set_timer(store, 'window ' .. mode .. ' ' .. id, window.reset)
end
if draft.status ~= 'active' then
  local ends_ms = draft.cooldown_ms > 0 and now + draft.cooldown_ms or nil
  mark(store, id, account, draft.status, now, ends_ms, draft.reason)
end
put_back(store, id, account, now)
return { 'saved' }
