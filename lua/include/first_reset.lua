--- Return whether an account has units in some mode, and when the first of its windows ends.
-- A window that is not full has an end, whatever brought it there.
-- @needs set_timer
local function first_reset(store, id, account, now)
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
    return false, account.credits.reset
  end
  return has_units, first < math.huge and first or nil
end
