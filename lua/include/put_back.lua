--- Write an account back after a change: where it belongs, and to those who wait for one like it.
-- With `mode` nothing of its other windows has changed, and it stood where it belonged before. If it still may
-- be used, it then keeps its place in modes where nobody knows a number: they are in the order of their use.
-- @needs judge_windows
-- @needs place
-- @needs place_all
-- @needs offer
-- @needs keep_account
local function put_back(store, id, account, now, mode)
  local limit = account.trial and 1 or account.limit
  account.full = limit and (account.open or 0) >= limit or nil
  judge_windows(store, id, account, now)
  if mode and account.status == 'active' and not account.full then
    local modes = {}
    for name, window in pairs(account.windows) do
      modes[name] = (window.total or name == mode) and true or nil
    end
    place(store, id, account, modes, now)
  else
    place_all(store, id, account, now)
  end
  keep_account(store, id, account)
  offer(store, id, account, now)
end
