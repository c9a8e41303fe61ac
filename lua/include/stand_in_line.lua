--- Let a request wait in the lines of all the modes and pools that would do.
-- Its place is its virtual time: each client key advances by its units over its weight, so that no
-- key can hold up another one. Returns nil, or "key" or "pool": whose line is full.
local function stand_in_line(store, request, now)
  local total = redis.call('HLEN', store.waiters)
  if total == 0 then
    redis.call('DEL', store.queues) -- time begins anew
  end
  local entry = redis.call('HGET', store.queues, request.key) or '0 0'
  local count, last = string.match(entry, '^(%d+) (%S+)$')
  if tonumber(count) >= request.max_waiting_per_key then
    return 'key'
  end
  if total >= request.max_waiting then
    return 'pool'
  end
  local served = tonumber(redis.call('HGET', store.queues, '') or 0)
  local time = math.max(served, tonumber(last)) + math.ceil(request.units * 64 / request.weight)
  local arrival = redis.call('HINCRBY', store.counts, 'sequence', 1) % 4096 -- of equals, the first
  request.ends, request.slots = now + request.wait_ms, {}
  for _, mode in ipairs(request.modes) do
    for _, pool in ipairs(request.pools) do
      local slot = store.order[pool] * 16 + store.modes[mode]
      request.slots[#request.slots + 1] = slot
      local score = string.format('%.0f', slot * 70368744177664 + time * 4096 + arrival)
      redis.call('ZADD', store.waiting, score, slot .. ' ' .. request.lease_id)
    end
  end
  redis.call('HSET', store.queues, request.key, string.format('%d %.0f', count + 1, time))
  redis.call('HSET', store.waiters, request.lease_id, cmsgpack.pack(request))
  redis.call('ZADD', store.timers, string.format('%.0f', request.ends), 'wait ' .. request.lease_id)
end
