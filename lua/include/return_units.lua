--- Take the units of a lease that ends off what is held of its window; those that were not used are left again.
local function return_units(window, units, is_used, granted_at)
  local held = math.max(0, (window.held or 0) - units)
  window.held = held > 0 and held or nil
  if not is_used and window.total and granted_at > (window.emptied or 0) then
    window.left = math.max(window.left, math.min(window.left + units, window.total - held))
  end
end
