--- Wait no longer. A lease that the request was handed meanwhile ends unused.
--
-- @arg  lease_id  string   the request's
-- @arg  now_ms    integer  ms since epoch; 0 = server clock
-- @reply left
-- @repeatable who has left stays away
-- @cost  O(log n) in the number of waiting requests
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
-- @include return_units
-- @include end_lease
local store, lease_id, now = open_pools(0), ARGV[1], clock(ARGV[2])

local waiter = redis.call('HGET', store.waiters, lease_id)
if waiter then
  drop_waiter(store, lease_id, cmsgpack.unpack(waiter))
end
local lease = redis.call('HGET', store.leases, lease_id)
if lease then
  lease = cmsgpack.unpack(lease)
  local account = end_lease(store, lease_id, lease, false)
  if account then
    put_back(store, lease[1], account, now)
  end
end
return { 'left' }
