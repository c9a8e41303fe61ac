--- Exhaust an account that has no unit left in any mode, and bring back one that has some again.
-- @needs mark
local function judge_windows(store, id, account, now)
  local has_units, first = false, math.huge
  for _, window in pairs(account.windows) do
    has_units = has_units or not window.total or window.left > 0
    first = math.min(first, window.reset or math.huge)
  end
  if account.credits and account.credits.left <= 0 then
    has_units, first = false, account.credits.reset
  end
  if has_units and account.status == 'exhausted' and account.reason == 'quota' then
    mark(store, id, account, 'active', now)
  elseif not has_units and account.status == 'active' then
    mark(store, id, account, 'exhausted', now, first < math.huge and first or nil, 'quota')
  end
end
