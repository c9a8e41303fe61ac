--- Write down that the upstream told nothing of an account's quota: its numbers stay, it is asked again.
-- A refusal of its session is noted; one that leaves no doubt expires the account, unless the operator
-- has disabled or deleted it.
--
-- @key  leader      HASH     "epoch" of who leads
-- @arg  account_id  string   the account
-- @arg  refusal     string   one word for why its session was refused, empty when it was not
-- @arg  is_certain  integer  1 = the refusal leaves no doubt
-- @arg  next_in_ms  integer  when to ask again
-- @arg  epoch       integer  the leader's, 0 when it is no leader who calls
-- @arg  now_ms      integer  ms since epoch; 0 = server clock
-- @reply deferred     status:string
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
local store, leader = open_pools(1), KEYS[13]
local id, refusal, is_certain, now = ARGV[1], ARGV[2], ARGV[3] == '1', clock(ARGV[6])

if is_stale(leader, ARGV[5]) then
  return { 'stale_epoch' }
end
local account = load_account(store, id)
if not account or account.status == 'deleted' then
  return { 'unknown' }
end
redis.call('ZADD', store.refresh, string.format('%.0f', now + ARGV[4]), id)
if refusal ~= '' then
  account.fault, account.failed = refusal, now
  if is_certain and account.status ~= 'disabled' then
    mark(store, id, account, 'expired', now, nil, refusal)
  end
  put_back(store, id, account, now)
end
return { 'deferred', account.status }
