--- Write down what the upstream says of a window; units that are held now are taken off. Returns whether it
-- has some left.
-- Without a total its number holds once: until the window ends, which it then does even if nobody uses it.
-- @needs set_timer
local function note_reading(store, id, account, reading, now)
  local known = account.windows[reading.mode]
  if not known then
    return false
  end
  local left = math.max(0, reading.left - (known.held or 0))
  local window = {
    left = left, total = reading.total or reading.left, once = not reading.total or nil,
    length = reading.length, at = now, source = 'real', held = known.held, rest = known.rest,
  }
  if window.once or reading.left < reading.total then
    window.reset = now + reading.resets_in_ms
  end
  account.windows[reading.mode] = window
  set_timer(store, 'window ' .. reading.mode .. ' ' .. id, window.reset)
  return reading.left > 0
end
