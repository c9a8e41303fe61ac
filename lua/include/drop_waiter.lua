--- Take a request out of every line it stands in.
local function drop_waiter(store, lease_id, waiter)
  redis.call('HDEL', store.waiters, lease_id)
  redis.call('ZREM', store.timers, 'wait ' .. lease_id)
  for _, slot in ipairs(waiter.slots) do
    redis.call('ZREM', store.waiting, slot .. ' ' .. lease_id)
  end
  local entry = redis.call('HGET', store.queues, waiter.key) or '1 0'
  local count, last = string.match(entry, '^(%d+) (%S+)$')
  if tonumber(count) > 1 then
    redis.call('HSET', store.queues, waiter.key, string.format('%d %s', count - 1, last))
  else
    redis.call('HDEL', store.queues, waiter.key)
  end
end
