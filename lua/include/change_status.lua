--- Give an account the status that a failure means for it. Expired wins over all that end by themselves; one
-- that is disabled or deleted stays so.
-- @needs rest_ms
-- @needs mark
-- @needs cool
local function change_status(store, id, account, verdict, now)
  local outcome, status, strikes = verdict.outcome, account.status, account.strikes
  if status == 'disabled' or status == 'deleted' then
    return
  end
  if outcome == 'unauthorized' or (outcome == 'unconfirmed' and strikes >= 2) then
    mark(store, id, account, 'expired', now, nil, verdict.reason)
    return
  end
  if status == 'expired' then
    return
  end
  if outcome == 'forbidden' and strikes >= 3 then
    mark(store, id, account, 'disabled', now, nil, verdict.reason)
  elseif outcome == 'used_up' then
    mark(store, id, account, 'exhausted', now, now + rest_ms(account, verdict), verdict.reason)
  elseif outcome == 'rate_limited' or outcome == 'unconfirmed' then
    cool(store, id, account, verdict, now)
  end
end
