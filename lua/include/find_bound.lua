--- Return the account that serves a request's session, if it has one that is not forgotten.
local function find_bound(sessions, session_ends, request, now)
  if request.starts_session then
    return nil
  end
  local ends_at_ms = redis.call('ZSCORE', session_ends, request.session)
  return ends_at_ms and tonumber(ends_at_ms) > now and redis.call('HGET', sessions, request.session)
end
