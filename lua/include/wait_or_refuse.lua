--- Let a request that nobody can serve now stand in line, if there is hope within its time; else refuse it.
-- Where units are missing, the leader is asked to look how many there are indeed, once in a while.
-- @needs outlook
-- @needs stand_in_line
local function wait_or_refuse(store, request, now)
  local first_ms, total, usable, open = outlook(store, request, now)
  local demanded = tonumber(redis.call('HGET', store.meta, 'demanded') or 0)
  if request.demand_ms > 0 and usable > open and now - demanded >= request.demand_ms then
    demanded = now
    redis.call('HSET', store.meta, 'demanded', string.format('%.0f', now))
  end
  local is_soon = open > 0 or (first_ms >= 0 and first_ms <= request.wait_ms)
  is_soon = is_soon or now - demanded < request.wait_ms
  if request.wait_ms == 0 or usable == 0 or not is_soon then
    return { 'none_ready', first_ms, total, usable }
  end
  local whose = stand_in_line(store, request, now)
  if whose then
    return { 'line_full', whose, first_ms }
  end
  return { 'waiting', request.ends }
end
