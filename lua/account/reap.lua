--- Handle what is due when nobody asks for an account: every acquire does the same first.
-- After a change of strategy it also puts some accounts into the new order.
--
-- @key  leader  HASH     "epoch" of who leads
-- @arg  limit   integer  timers, and accounts to be placed anew, handled at most
-- @arg  epoch   integer  the leader's, 0 when it is no leader who calls
-- @arg  now_ms  integer  ms since epoch; 0 = server clock
-- @reply reaped       count:integer
-- @reply stale_epoch  (another has taken the lead; nothing changed)
-- @cost  O(limit * log n) in the number of accounts
-- @include is_stale
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
local store, leader = open_pools(1), KEYS[13]
local limit, epoch, now = tonumber(ARGV[1]), ARGV[2], clock(ARGV[3])

if is_stale(leader, epoch) then
  return { 'stale_epoch' }
end
local count = handle_due(store, now, limit)
local first = tonumber(redis.call('HGET', store.meta, 'to_rank') or -1)
if first >= 0 then
  local ids = redis.call('ZRANGE', store.index, first, first + limit - 1)
  for _, id in ipairs(ids) do
    place_all(store, id, load_account(store, id), now)
  end
  redis.call('HSET', store.meta, 'to_rank', #ids == limit and first + limit or -1)
  count = math.max(count, #ids)
end
return { 'reaped', count }
