--- Let an account cool. A rest that is under way only grows; one without an end is the operator's, and used
-- up lasts longer.
-- @needs rest_ms
-- @needs mark
local function cool(store, id, account, verdict, now)
  local ends_ms = now + rest_ms(account, verdict)
  local is_spent = account.status == 'exhausted' and account.reason == 'quota'
  local is_longer = account.ends and ends_ms > account.ends
  if account.status == 'active' or is_spent or (account.status == 'cooling' and is_longer) then
    mark(store, id, account, 'cooling', now, ends_ms, verdict.reason)
  end
end
