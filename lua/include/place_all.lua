--- Put an account where it belongs for every mode it has.
-- @needs place
local function place_all(store, id, account, now)
  place(store, id, account, account.windows, now)
end
