--- Return the time in ms since epoch: the server's, or `now_ms` where a test sets one.
local function clock(now_ms)
  if tonumber(now_ms) > 0 then
    return tonumber(now_ms)
  end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
