--- Forget an account for good. Its open leases run on; what they come to changes nothing.
--
-- @arg  account_id  string   the account
-- @arg  now_ms      integer  ms since epoch; 0 = server clock
-- @reply removed  open_leases:integer
-- @reply unknown
-- @cost  O(log n) in the number of accounts
-- @include clock
-- @include open_pools
-- @include load_account
-- @include free_units
-- @include section_of
-- @include rank_of
-- @include place
-- @include place_all
-- @include forget_account
local store, id, now = open_pools(0), ARGV[1], clock(ARGV[2])

local account = load_account(store, id)
if not account then
  return { 'unknown' }
end
forget_account(store, id, account, now)
return { 'removed', account.open or 0 }
