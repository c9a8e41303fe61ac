--- Let something end by itself at `at_ms`; without it, never.
local function set_timer(store, member, at_ms)
  if at_ms then
    redis.call('ZADD', store.timers, string.format('%.0f', at_ms), member)
  else
    redis.call('ZREM', store.timers, member)
  end
end
