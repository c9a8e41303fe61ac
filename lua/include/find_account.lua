--- Return id, account and mode of who is to serve a request, by affinity or by choice; nil when none can.
-- Modes go before tags, tags before pools. The fourth value tells whether the affinity is to be kept as it
-- is: its account is only busy.
-- @needs choose
local function find_account(store, request, bound, now)
  local account = bound and load_account(store, bound)
  local is_kept = false
  if account and account.status == 'active' then
    for _, pool in ipairs(request.pools) do
      for _, mode in ipairs(request.modes) do
        if account.pool == pool and fits(bound, account, mode, request, now) then
          return bound, account, mode, true
        end
        is_kept = is_kept or (account.pool == pool and free_units(account, mode, now) >= request.units)
      end
    end
  end
  local tags = #request.tag_numbers > 0 and request.tag_numbers or { 0 }
  for _, mode in ipairs(request.modes) do
    for _, tag in ipairs(tags) do
      for _, pool in ipairs(request.pools) do
        local id, found = choose(store, pool, mode, tag, request, now)
        if id then
          return id, found, mode, is_kept
        end
      end
    end
  end
end
