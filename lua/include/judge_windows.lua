--- Exhaust an account that has no unit left in any mode, and bring back one that has some again.
-- @needs first_reset
-- @needs mark
local function judge_windows(store, id, account, now)
  local has_units, first = first_reset(store, id, account, now)
  local is_spent = account.status == 'exhausted' and account.reason == 'quota'
  if has_units and is_spent then
    mark(store, id, account, 'active', now)
  elseif not has_units and (is_spent or account.status == 'active') then
    mark(store, id, account, 'exhausted', now, first, 'quota')
  end
end
