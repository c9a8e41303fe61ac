--- Give up writing an object: what was reserved is free, and whatever has been written is removed.
--
-- @arg  place   string   where the object would be
-- @arg  now_ms  integer  ms since epoch; 0 = server clock
-- @reply abandoned
-- @reply unknown  (it was kept or abandoned before; nothing changed)
-- @cost  O(log n) in the number of objects that come or go
-- @include clock
-- @include open_media
-- @include unreserve_media
local keys = open_media()
local place, now = ARGV[1], clock(ARGV[2])

if not unreserve_media(keys, place) then
  return { 'unknown' }
end
-- Not at once: the end of what was being written may still be under way.
redis.call('ZADD', keys.ends, string.format('%.0f', now + 60000), place)
return { 'abandoned' }
