--- Write down what the upstream says of an account's quota, and when to ask again.
-- Units that are held now are taken off what it says is left. A proven tier moves the account to its pool;
-- downwards only when the report says so.
--
-- @key  leader      HASH     "epoch" of who leads
-- @arg  account_id  string   the account
-- @arg  report      bytes    SyncRequest of store/account_requests.py, msgpack
-- @arg  epoch       integer  the leader's, 0 when it is no leader who calls
-- @arg  now_ms      integer  ms since epoch; 0 = server clock
-- @reply synced       status:string pool:string
-- @reply unknown
-- @reply stale_epoch  (another has taken the lead; nothing changed)
-- @repeatable it writes down the same again
-- @cost  O(log n) in the number of accounts
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
-- @include drop_waiter
-- @include fits
-- @include grant
-- @include offer
-- @include put_back
-- @include move_pool
-- @include follow_plan
-- @include note_reading
-- @include lose_number
-- @include note_unmetered
-- @include note_credits
local store, leader = open_pools(1), KEYS[13]
local id, report, now = ARGV[1], cmsgpack.unpack(ARGV[2]), clock(ARGV[4])

if is_stale(leader, ARGV[3]) then
  return { 'stale_epoch' }
end
local account = load_account(store, id)
if not account or account.status == 'deleted' then
  return { 'unknown' }
end
follow_plan(store, id, account, report, now)
local has_units = false
for _, reading in ipairs(report.readings) do
  has_units = note_reading(store, id, account, reading, now) or has_units
end
for _, mode in ipairs(report.unmetered) do
  note_unmetered(store, id, account, mode)
end
note_credits(store, id, account, report.credits, now)
account.synced = now
local status, reason = account.status, account.reason
local is_used_up = status == 'exhausted' and reason ~= 'quota' and has_units
if is_used_up or (report.is_revival and (status == 'expired' or status == 'cooling')) then
  account.strikes, account.strike, account.trial = nil, nil, nil
  mark(store, id, account, 'active', now)
end
redis.call('ZADD', store.refresh, string.format('%.0f', now + report.next_in_ms), id)
put_back(store, id, account, now)
return { 'synced', account.status, account.pool }
