--- A window's time has come: it is full again, but for what is held. Its next use begins it anew.
local function fill_window(window)
  window.left = math.max(0, window.total - (window.held or 0))
  window.reset, window.emptied = nil, nil
  if window.source == 'real' then
    window.source = 'estimated'
  end
end
