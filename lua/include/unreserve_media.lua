--- Give back what was reserved for an object that comes; return its size, or nil if none was.
local function unreserve_media(keys, place)
  local size = tonumber(redis.call('HGET', keys.coming, place))
  if size then
    redis.call('HDEL', keys.coming, place)
    redis.call('HINCRBY', keys.counts, 'reserved', 0 - size)
  end
  return size
end
