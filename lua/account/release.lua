--- End a lease with its outcome, and hand its slot to who waits. A lease ends once: what comes later changes nothing.
-- A prompt that has hurt three accounts with answers that prove nothing hurts no further one.
--
-- @key  suspects    SET      accounts that this prompt has hurt; of no use without `is_suspicious`
-- @arg  lease_id    string   the lease
-- @arg  verdict     bytes    ReleaseRequest of store/account_requests.py, msgpack
-- @arg  now_ms      integer  ms since epoch; 0 = server clock
-- @reply released  status:string
-- @reply gone      (it had ended by release, expiry or removal of its account)
-- @repeatable the second release of a lease finds it gone
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
-- @include return_units
-- @include end_lease
-- @include empty_window
-- @include note_strike
-- @include rest_ms
-- @include cool
-- @include change_status
-- @include apply_outcome
local store, suspects = open_pools(1), KEYS[13]
local lease_id, verdict, now = ARGV[1], cmsgpack.unpack(ARGV[2]), clock(ARGV[3])

local ends_at_ms = redis.call('ZSCORE', store.timers, 'lease ' .. lease_id)
if not ends_at_ms then
  return { 'gone' }
end
local is_over = tonumber(ends_at_ms) <= now
local lease = cmsgpack.unpack(redis.call('HGET', store.leases, lease_id))
local id = lease[1]
local account, mode = end_lease(store, lease_id, lease, verdict.is_used and not is_over)
if not account then
  return { 'gone' }
end
if not is_over then
  if verdict.is_suspicious then
    redis.call('SADD', suspects, id)
    redis.call('PEXPIRE', suspects, 600000)
    if redis.call('SCARD', suspects) > 3 then
      verdict.outcome = 'failed'
    end
  end
  apply_outcome(store, id, account, lease, verdict, now)
end
put_back(store, id, account, now, mode)
if is_over then
  return { 'gone' }
end
return { 'released', account.status }
