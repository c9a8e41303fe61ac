--- Return whether an account can serve a request in a mode now.
-- @needs free_units
local function fits(id, account, mode, request, now)
  if account.status ~= 'active' or free_units(account, mode, now) < request.units then
    return false
  end
  if (account.open or 0) >= (account.trial and 1 or account.limit or request.limit) then
    return false
  end
  for _, other in ipairs(request.exclude) do
    if other == id then
      return false
    end
  end
  for _, wanted in ipairs(request.tag_numbers) do
    for _, tag in ipairs(account.tags or {}) do
      if tag == wanted then
        return true
      end
    end
  end
  return #request.tag_numbers == 0
end
