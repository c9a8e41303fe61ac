--- Give an account a status, and keep counts, timer and ready set in step with it.
-- An active account has no entry in `statuses`; making it ready (`rank`) is the caller's.
local function mark(statuses, pool, account_id, status, since_ms, until_ms, reason)
  local before = string.match(redis.call('HGET', statuses, account_id) or 'active', '^%a+')
  redis.call('HINCRBY', pool.counts, before, -1)
  redis.call('HINCRBY', pool.counts, status, 1)
  if status == 'cooling' then
    redis.call('ZADD', pool.timers, string.format('%.0f', until_ms), 'cool ' .. account_id)
  else
    redis.call('ZREM', pool.timers, 'cool ' .. account_id)
  end
  if status == 'active' then
    redis.call('HDEL', statuses, account_id)
    return
  end
  local entry = string.format('%s %.0f %.0f %s', status, since_ms, until_ms, reason)
  redis.call('HSET', statuses, account_id, entry)
  redis.call('ZREM', pool.ready, account_id)
end
