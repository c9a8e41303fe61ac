--- The upstream says that a window is used up: for `for_ms`, else until its known end.
-- Units held until now are not given back to it.
-- @needs set_timer
local function empty_window(store, id, mode, window, now, for_ms)
  if not window.total then
    window.total, window.once = 1, true -- nobody knew how many; now there are none, for a while
  end
  if for_ms > 0 then
    window.reset = now + for_ms
  elseif (window.reset or 0) <= now then
    window.reset = now + window.length * 1000
  end
  window.left, window.emptied, window.source = 0, now, 'estimated'
  set_timer(store, 'window ' .. mode .. ' ' .. id, window.reset)
end
