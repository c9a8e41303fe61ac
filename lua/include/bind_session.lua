--- Remember which account serves a session, for a while. The oldest go when there are too many.
local function bind_session(sessions, ends, session, id, now, ttl_ms)
  redis.call('HSET', sessions, session, id)
  redis.call('ZADD', ends, string.format('%.0f', now + ttl_ms), session)
  local gone = redis.call('ZRANGE', ends, '-inf', now, 'BYSCORE', 'LIMIT', 0, 8)
  if redis.call('ZCARD', ends) > 100000 then
    gone[#gone + 1] = redis.call('ZRANGE', ends, 0, 0)[1]
  end
  for _, old in ipairs(gone) do
    redis.call('ZREM', ends, old)
    redis.call('HDEL', sessions, old)
  end
end
