--- Hand an account to the requests that wait for one like it, in the order of their virtual times.
-- Each gets a lease of its own here and now; the worker that waits is told and only picks it up. The first
-- 64 of a line are looked at.
-- @needs fits
-- @needs grant
-- @needs drop_waiter
local function offer(store, id, account, now)
  if account.status ~= 'active' or account.full or redis.call('HLEN', store.waiters) == 0 then
    return
  end
  local heads = {}
  for mode in pairs(account.windows) do
    local slot = store.order[account.pool] * 16 + store.modes[mode]
    local least = slot * 70368744177664
    local found = redis.call(
      'ZRANGE', store.waiting, string.format('%.0f', least),
      string.format('(%.0f', least + 70368744177664), 'BYSCORE', 'LIMIT', 0, 64, 'WITHSCORES'
    )
    for at = 1, #found, 2 do
      heads[#heads + 1] = { found[at], mode, tonumber(found[at + 1]) - least }
    end
  end
  table.sort(heads, function(one, other)
    return one[3] < other[3] or (one[3] == other[3] and one[1] < other[1])
  end)
  for _, head in ipairs(heads) do
    local slot, mode, time = unpack(head)
    local lease_id = string.match(slot, ' (.+)$')
    local packed = redis.call('HGET', store.waiters, lease_id)
    local waiter = packed and cmsgpack.unpack(packed)
    if waiter and waiter.ends > now and fits(id, account, mode, waiter, now) then
      drop_waiter(store, lease_id, waiter)
      grant(store, id, account, mode, waiter, now, math.min(waiter.ttl_ms, 10000))
      local served = tonumber(redis.call('HGET', store.queues, '') or 0)
      served = math.max(served, math.floor(time / 4096))
      redis.call('HSET', store.queues, '', string.format('%.0f', served))
      redis.call('XADD', store.wakeups, 'MAXLEN', '~', 1000, '*', 'lease', lease_id)
      if account.full or account.status ~= 'active' then
        return
      end
    end
  end
end
