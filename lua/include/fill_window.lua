--- A window's time has come: it is full again, but for what is held. Its next use begins it anew.
-- Where nobody knows how many a full one has, its number is unknown again.
-- @needs lose_number
local function fill_window(window)
  if window.once then
    lose_number(window)
    return
  end
  window.left = math.max(0, window.total - (window.held or 0))
  window.reset, window.emptied = nil, nil
  if window.source == 'real' then
    window.source = 'estimated'
  end
end
