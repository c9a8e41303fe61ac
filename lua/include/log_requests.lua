--- Write requests to the log and its index; the oldest leave both. Each id and its record are
-- arguments, in turns, from number `first` on. Places rise also when the clock does not.
local function log_requests(log, index, first, most, now)
  if #ARGV < first then
    return
  end
  local ms, number = now, 0
  local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  if last then
    local last_ms, last_number = string.match(last[1], '(%d+)-(%d+)')
    if tonumber(last_ms) >= ms then
      ms, number = tonumber(last_ms), last_number + 1
    end
  end
  for n = first, #ARGV, 2 do
    local place = string.format('%.0f-%.0f', ms, number)
    redis.call('XADD', log, place, 'id', ARGV[n], 'record', ARGV[n + 1])
    redis.call('HSET', index, ARGV[n], place)
    number = number + 1
  end
  local length = redis.call('XLEN', log)
  -- More than are new only while a limit that was lowered comes into force, in steps.
  local excess = math.min(length - most, #ARGV + 256)
  if excess <= 0 then
    return
  end
  for _, entry in ipairs(redis.call('XRANGE', log, '-', '+', 'COUNT', excess)) do
    local place, id = entry[1], entry[2][2]
    -- Clients may use an id again: the index then has the newer one.
    if redis.call('HGET', index, id) == place then
      redis.call('HDEL', index, id)
    end
  end
  redis.call('XTRIM', log, 'MAXLEN', length - excess)
end
