--- Nobody knows any more how many units a window has. What is held of it stays so, and so does a rest.
-- Such a window holds nothing back; its timer is the caller's.
local function lose_number(window)
  window.left, window.total, window.once, window.source = nil, nil, nil, nil
  window.reset, window.emptied, window.at = nil, nil, nil
end
