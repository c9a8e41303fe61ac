--- Return whether an account has units in some mode, and when it will have some if it has none.
-- Where one window's number is known, those that nobody knows do not count. So a window that will only be
-- unknown at its end brings no units by it, unless all are such: then the last of them does.
-- A window that is not full has an end, whatever brought it there.
-- @needs set_timer
local function first_reset(store, id, account, now)
  local is_known, has_units, first, last = false, false, math.huge, 0
  for mode, window in pairs(account.windows) do
    if window.total then
      if window.left < window.total and not window.reset then
        window.reset = now + window.length * 1000
        set_timer(store, 'window ' .. mode .. ' ' .. id, window.reset)
      end
      is_known, has_units = true, has_units or window.left > 0
      if window.once then
        last = math.max(last, window.reset)
      else
        first = math.min(first, window.reset or math.huge)
      end
    end
  end
  if account.credits and account.credits.left <= 0 then
    return false, account.credits.reset
  end
  if first == math.huge then
    first = last > 0 and last or nil
  end
  return has_units or not is_known, first
end
