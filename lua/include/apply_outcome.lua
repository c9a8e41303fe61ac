--- Do to an account what the outcome of a lease means for it; the states are in docs/accounts.md.
-- `verdict` has outcome, cooldown_ms (0: the upstream named no time), base_ms and max_ms (the first
-- and the longest rest without a named time) and reason.
-- @needs set_timer
-- @needs empty_window
-- @needs note_strike
-- @needs change_status
local function apply_outcome(store, id, account, lease, verdict, now)
  local outcome, mode = verdict.outcome, lease[2]
  local window = account.windows[mode]
  if outcome == 'ok' then
    account.strikes, account.strike, account.trial = nil, nil, nil
    account.uses = (account.uses or 0) + 1
    return
  end
  if outcome == 'failed' or outcome == 'cancelled' then
    return
  end
  note_strike(account, verdict, lease[6], now)
  if outcome == 'rate_limited' or outcome == 'window_empty' then
    if window then
      empty_window(store, id, mode, window, now, verdict.cooldown_ms)
    end
    local due_ms = string.format('%.0f', now + verdict.base_ms)
    redis.call('ZADD', store.refresh, 'XX', 'LT', due_ms, id)
  end
  if outcome == 'forbidden' and account.strikes < 3 and window then
    window.rest = now + verdict.cooldown_ms
    set_timer(store, 'rest ' .. mode .. ' ' .. id, window.rest)
  end
  change_status(store, id, account, verdict, now)
end
