--- End an open lease and return how many its account has left. Ranking the account is the caller's.
local function end_lease(leases, held, timers, lease_id, account_id)
  redis.call('HDEL', leases, lease_id)
  redis.call('ZREM', timers, 'lease ' .. lease_id)
  local left = {}
  for other in string.gmatch(redis.call('HGET', held, account_id) or '', '%S+') do
    if other ~= lease_id then
      left[#left + 1] = other
    end
  end
  if #left == 0 then
    redis.call('HDEL', held, account_id)
  else
    redis.call('HSET', held, account_id, table.concat(left, ' '))
  end
  return #left
end
