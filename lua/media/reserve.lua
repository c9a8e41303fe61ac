--- Make room for an object that is about to be written, unless its content is kept already.
-- Up to a quarter more than the limit is let in: the leader soon cleans up.
--
-- @arg  media_id  string   made of the content
-- @arg  place     string   where the object will be; never used before
-- @arg  size      integer  bytes
-- @arg  limit     integer  bytes of this kind; 0: none
-- @arg  write_ms  integer  how long writing may take
-- @arg  now_ms    integer  ms since epoch; 0 = server clock
-- @reply found      place:string media_type:string size:integer created_ms:integer used_ms:integer
-- @reply reserved
-- @reply full       (something has to go before; nothing changed)
-- @reply too_large  (it alone is over the limit; nothing changed)
-- @cost  O(log n) in the number of objects
-- @include clock
-- @include open_media
-- @include find_media
-- @include touch_media
local keys = open_media()
local media_id, place, size, limit = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local now = clock(ARGV[6])

local kept = find_media(keys, media_id)
if kept then
  return touch_media('found', keys, media_id, kept, now)
end
if limit > 0 then
  local counts = redis.call('HMGET', keys.counts, 'bytes', 'reserved')
  if size > limit then
    return { 'too_large' }
  elseif (counts[1] or 0) + (counts[2] or 0) + size > 1.25 * limit then
    return { 'full' }
  end
end
redis.call('HSET', keys.coming, place, ARGV[3])
redis.call('HINCRBY', keys.counts, 'reserved', ARGV[3])
redis.call('ZADD', keys.ends, string.format('%.0f', now + ARGV[5]), place)
return { 'reserved' }
