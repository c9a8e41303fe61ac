--- Return account and mode if the account that is bound to a session can serve a request, else whether the
-- session is to stay with it: it is only busy.
-- @needs load_account
-- @needs free_units
-- @needs fits
local function follow_session(store, request, bound, now)
  local account = bound and load_account(store, bound)
  if not account or account.status ~= 'active' then
    return nil, nil, false
  end
  local is_kept = false
  for _, pool in ipairs(request.pools) do
    for _, mode in ipairs(account.pool == pool and request.modes or {}) do
      if fits(bound, account, mode, request, now) then
        return account, mode, true
      end
      is_kept = is_kept or free_units(account, mode, now) >= request.units
    end
  end
  return nil, nil, is_kept
end
