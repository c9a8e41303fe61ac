--- End an open lease: its units are settled when they were used, else given back.
-- Returns the account, not yet written back, or nil when it is gone; and the lease's mode if the account could
-- be used until now.
-- @needs load_account
-- @needs return_units
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
  local told = account.status == 'active' and not account.full and mode or nil
  account.open, account.full = account.open > 1 and account.open - 1 or nil, nil
  if account.windows[mode] then
    return_units(account.windows[mode], units, is_used, granted_at)
  end
  return account, told
end
