--- Exhaust an account that has no unit left in any mode, and bring back one that has some again.
-- A window that is not full has an end, whatever brought it there.
-- @needs set_timer
-- @needs mark
local function judge_windows(store, id, account, now)
  local has_units, first = false, math.huge
  for mode, window in pairs(account.windows) do
    if window.total and window.left < window.total and not window.reset then
      window.reset = now + window.length * 1000
      set_timer(store, 'window ' .. mode .. ' ' .. id, window.reset)
    end
    has_units = has_units or not window.total or window.left > 0
    first = math.min(first, window.reset or math.huge)
  end
  if account.credits and account.credits.left <= 0 then
    has_units, first = false, account.credits.reset
  end
  local is_spent = account.status == 'exhausted' and account.reason == 'quota'
  if has_units and is_spent then
    mark(store, id, account, 'active', now)
  elseif not has_units and (is_spent or account.status == 'active') then
    mark(store, id, account, 'exhausted', now, first < math.huge and first or nil, 'quota')
  end
end
