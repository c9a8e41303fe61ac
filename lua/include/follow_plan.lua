--- Let an account have the windows of the plan that it is proven to have: in another pool, which a lower one
-- is only by leave, or where it is, if it was added when the plan had fewer modes.
-- @needs move_pool
local function follow_plan(store, id, account, report, now)
  local pool, here = report.pool, store.order[account.pool]
  local there = store.order[pool]
  if there and (there > here or (there < here and report.may_demote)) then
    move_pool(store, id, account, pool, report.plan, now)
  elseif there == here then
    for mode, window in pairs(report.plan) do
      account.windows[mode] = account.windows[mode] or window
    end
  end
end
