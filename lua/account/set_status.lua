--- Set the status of an account by hand; every worker sees it at its next request. Open leases go on.
-- Active means restored: what was held against the account is forgotten, its windows are as they are, and
-- the upstream is asked about it soon. A deleted account can only be restored.
--
-- @arg  account_id  string   the account
-- @arg  status      string   active, cooling, exhausted, expired, disabled or deleted
-- @arg  for_ms      integer  when it ends by itself (a deleted account is then forgotten); 0 = never
-- @arg  reason      string   one word for the account's record
-- @arg  now_ms      integer  ms since epoch; 0 = server clock
-- @reply changed  before:string
-- @reply unknown
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
local store = open_pools(0)
local id, status, for_ms, now = ARGV[1], ARGV[2], tonumber(ARGV[3]), clock(ARGV[5])

local account = load_account(store, id)
if not account or (account.status == 'deleted' and status ~= 'active' and status ~= 'deleted') then
  return { 'unknown' }
end
local before = account.status
if status == 'active' then
  account.strikes, account.strike, account.trial = nil, nil, nil
  account.fault, account.failed = nil, nil
  for mode, window in pairs(account.windows) do
    window.rest = nil
    set_timer(store, 'rest ' .. mode .. ' ' .. id)
  end
  mark(store, id, account, 'active', now)
  redis.call('ZADD', store.refresh, string.format('%.0f', now), id)
else
  mark(store, id, account, status, now, for_ms > 0 and now + for_ms or nil, ARGV[4])
end
put_back(store, id, account, now)
return { 'changed', before }
