--- Do to an account what the outcome of a lease means for it; the states are in docs/accounts.md.
-- `verdict` has outcome, cooldown_ms (0: the upstream named no time), base_ms and max_ms (the first
-- and the longest rest without a named time) and reason. Requests that were under way when one of them
-- failed are one strike together, if they fail alike.
-- @needs mark
-- @needs set_timer
-- @needs empty_window
local function apply_outcome(store, id, account, lease, verdict, now)
  local outcome, mode, granted_at = verdict.outcome, lease[2], lease[6]
  local window = account.windows[mode]
  if outcome == 'ok' then
    account.strikes, account.strike, account.trial = nil, nil, nil
    account.uses = (account.uses or 0) + 1
    return
  end
  if outcome == 'failed' or outcome == 'cancelled' then
    return
  end
  if account.strike ~= outcome then
    account.strikes, account.strike = 1, outcome
  elseif granted_at >= account.failed then
    account.strikes = account.strikes + 1
  end
  account.fails, account.failed = (account.fails or 0) + 1, now
  account.fault = verdict.reason
  if outcome == 'rate_limited' or outcome == 'window_empty' then
    if window then
      empty_window(store, id, mode, window, now, verdict.cooldown_ms)
    end
    redis.call('ZADD', store.refresh, 'XX', 'LT', string.format('%.0f', now + verdict.base_ms), id)
  end
  if outcome == 'forbidden' and account.strikes < 3 and window then
    window.rest = now + verdict.cooldown_ms
    set_timer(store, 'rest ' .. mode .. ' ' .. id, window.rest)
  end

  local is_ours = account.status == 'active' or account.status == 'cooling' or account.status == 'exhausted'
  local rest_ms = verdict.cooldown_ms
  if rest_ms == 0 then
    rest_ms = math.min(verdict.base_ms * 2 ^ (account.strikes - 1), verdict.max_ms)
  end
  local ends_ms = now + rest_ms
  local is_expired = outcome == 'unauthorized' or (outcome == 'unconfirmed' and account.strikes >= 2)
  if is_expired and (is_ours or account.status == 'expired') then
    mark(store, id, account, 'expired', now, nil, verdict.reason)
  elseif outcome == 'forbidden' and account.strikes >= 3 and is_ours then
    mark(store, id, account, 'disabled', now, nil, verdict.reason)
  elseif outcome == 'used_up' and is_ours then
    mark(store, id, account, 'exhausted', now, ends_ms, verdict.reason)
  elseif outcome == 'rate_limited' or outcome == 'unconfirmed' then
    local is_longer = account.status ~= 'cooling' or (account.ends and ends_ms > account.ends)
    if is_ours and is_longer and not (account.status == 'exhausted' and account.reason ~= 'quota') then
      mark(store, id, account, 'cooling', now, ends_ms, verdict.reason)
    end
  end
end
