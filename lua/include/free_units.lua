--- Return how many units an account has to give in a mode; 0 for none, huge when nobody knows.
local function free_units(account, mode, now)
  local window = account.windows[mode]
  if not window or (window.rest or 0) > now or (account.credits and account.credits.left <= 0) then
    return 0
  end
  return window.total and window.left or math.huge
end
