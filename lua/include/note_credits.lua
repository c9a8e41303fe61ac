--- Write down what the upstream says of an account's weekly allowance, if it says anything.
-- @needs set_timer
local function note_credits(store, id, account, credits, now)
  if credits then
    local reset = now + credits.resets_in_ms
    account.credits = { left = credits.left, total = credits.total, reset = reset }
    set_timer(store, 'window credits ' .. id, reset)
  end
end
