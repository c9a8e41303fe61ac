--- Lease a slot of an account, and take the units out of the mode's window.
-- @needs set_timer
-- @needs place_all
-- @needs judge_windows
-- @needs keep_account
local function grant(store, id, account, mode, request, now, ttl_ms)
  local window, units = account.windows[mode], request.units
  window.held = (window.held or 0) + units
  if window.total then
    window.left = window.left - units
    if not window.reset then
      window.reset = now + window.length * 1000
      set_timer(store, 'window ' .. mode .. ' ' .. id, window.reset)
    end
  end
  account.open = (account.open or 0) + 1
  account.seq = redis.call('HINCRBY', store.counts, 'sequence', 1)
  account.used = now
  account.full = account.open >= (account.trial and 1 or account.limit or request.limit) or nil
  local lease = { id, mode, units, account.born, account.pool, now }
  redis.call('HSET', store.leases, request.lease_id, cmsgpack.pack(lease))
  set_timer(store, 'lease ' .. request.lease_id, now + ttl_ms)
  redis.call('HINCRBY', store.counts, account.pool .. ' open', 1)
  redis.call('HINCRBY', store.counts, account.pool .. ' granted', units)
  if window.left == 0 then
    judge_windows(store, id, account, now)
  end
  if account.full or account.status ~= 'active' then
    place_all(store, id, account, now)
  else
    place(store, id, account, { [mode] = true }, now)
  end
  keep_account(store, id, account)
end
