--- Give an account a status; counts and the timer that ends it stay in step. Placing is the caller's.
-- What is active, expired or disabled does not end by itself.
-- Exhausted for want of quota ends with its windows, which have timers of their own.
-- @needs set_timer
local function mark(store, id, account, status, now, ends_ms, reason)
  if status == 'active' or status == 'expired' or status == 'disabled' then
    ends_ms = nil
  end
  if account.status ~= status then
    redis.call('HINCRBY', store.counts, account.pool .. ' ' .. account.status, -1)
    redis.call('HINCRBY', store.counts, account.pool .. ' ' .. status, 1)
    account.status, account.since = status, now
  end
  account.ends, account.reason = ends_ms, reason
  local is_spent = status == 'exhausted' and reason == 'quota'
  set_timer(store, 'wake ' .. id, not is_spent and ends_ms or nil)
end
