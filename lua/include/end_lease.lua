--- End an open lease: its units are settled when they were used, else given back.
-- Returns the account, not yet written back, or nil when it is gone.
-- @needs load_account
local function end_lease(store, lease_id, lease, is_used)
  local id, mode, units, born, pool, granted_at = unpack(lease)
  redis.call('HDEL', store.leases, lease_id)
  redis.call('ZREM', store.timers, 'lease ' .. lease_id)
  redis.call('HINCRBY', store.counts, pool .. ' open', -1)
  redis.call('HINCRBY', store.counts, pool .. (is_used and ' settled' or ' refunded'), units)
  local account = load_account(store, id)
  if not account or account.born ~= born then
    return nil
  end
  account.open, account.full = account.open > 1 and account.open - 1 or nil, nil
  local window = account.windows[mode]
  if not window then
    return account
  end
  local held = math.max(0, (window.held or 0) - units)
  window.held = held > 0 and held or nil
  if not is_used and window.total and granted_at > (window.emptied or 0) then
    window.left = math.max(window.left, math.min(window.left + units, window.total - held))
  end
  return account
end
