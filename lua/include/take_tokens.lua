--- Take `cost` tokens of `bucket`. Return 0, or in how many ms there are enough.
-- Only the moment when the bucket is full again is kept, in µs since epoch; a full bucket is no key.
local function take_tokens(bucket, limit, cost, now)
  local each_us = math.ceil(60000000 / limit.per_minute)
  local now_us, room_us = now * 1000, limit.burst * each_us
  local full_us = math.max(tonumber(redis.call('GET', bucket)) or 0, now_us)
  -- No bucket is emptier than empty, also where the clock fell back or the burst was lowered.
  full_us = math.min(full_us, now_us + room_us) + cost * each_us
  local late_us = full_us - now_us - room_us
  if late_us > 0 then
    return math.ceil(late_us / 1000)
  end
  local ends_in_ms = string.format('%.0f', math.ceil((full_us - now_us) / 1000))
  redis.call('SET', bucket, string.format('%.0f', full_us), 'PX', ends_in_ms)
  return 0
end
