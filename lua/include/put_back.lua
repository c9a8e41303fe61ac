--- Write an account back after a change: where it belongs, and to those who wait for one like it.
-- @needs judge_windows
-- @needs place_all
-- @needs offer
-- @needs keep_account
local function put_back(store, id, account, now)
  local limit = account.trial and 1 or account.limit
  account.full = limit and (account.open or 0) >= limit or nil
  judge_windows(store, id, account, now)
  place_all(store, id, account, now)
  keep_account(store, id, account)
  offer(store, id, account, now)
end
