--- Let an account cool for the time that the upstream named, else for one that doubles with each strike. A rest
-- that is under way only grows; one without an end is the operator's, and used up lasts longer.
-- @needs mark
local function cool(store, id, account, verdict, now)
  local rest_ms = verdict.cooldown_ms
  if rest_ms == 0 then
    rest_ms = math.min(verdict.base_ms * 2 ^ (account.strikes - 1), verdict.max_ms)
  end
  local is_spent = account.status == 'exhausted' and account.reason == 'quota'
  local is_longer = account.ends and now + rest_ms > account.ends
  if account.status == 'active' or is_spent or (account.status == 'cooling' and is_longer) then
    mark(store, id, account, 'cooling', now, now + rest_ms, verdict.reason)
  end
end
