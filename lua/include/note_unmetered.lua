--- Write down that the upstream tells no number of a window any more.
-- @needs set_timer
-- @needs lose_number
local function note_unmetered(store, id, account, mode)
  local window = account.windows[mode]
  if window then
    lose_number(window)
    set_timer(store, 'window ' .. mode .. ' ' .. id)
  end
end
