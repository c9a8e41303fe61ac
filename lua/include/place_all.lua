--- Put an account where it belongs for every mode it has.
-- @needs place
local function place_all(store, id, account, now)
  for mode in pairs(account.windows) do
    place(store, id, account, mode, now)
  end
end
