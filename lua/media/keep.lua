--- Put an object that has been written in the index. Of two with the same content the first is kept.
--
-- @arg  media_id    string   made of the content
-- @arg  place       string   where the object is
-- @arg  media_type  string   its type
-- @arg  now_ms      integer  ms since epoch; 0 = server clock
-- @reply kept   place:string media_type:string size:integer created_ms:integer used_ms:integer
-- @reply other  place:string media_type:string size:integer created_ms:integer used_ms:integer
--   (what another has written is kept: remove the caller's object)
-- @reply gone   (writing took too long, or the index was lost: remove the object; nothing changed)
-- @repeatable a second call finds what it kept
-- @cost  O(log n) in the number of objects
-- @include clock
-- @include open_media
-- @include find_media
-- @include touch_media
-- @include index_media
-- @include unreserve_media
local keys = open_media()
local media_id, place, now = ARGV[1], ARGV[2], clock(ARGV[4])

local kept = find_media(keys, media_id)
local size = unreserve_media(keys, place)
if kept and kept.place ~= place then
  if size then
    redis.call('ZADD', keys.ends, string.format('%.0f', now + 60000), place)
  end
  return touch_media('other', keys, media_id, kept, now)
elseif not kept then
  if not size then
    return { 'gone' }
  end
  kept = { place = place, media_type = ARGV[3], size = size, created = now }
  index_media(keys, media_id, kept, now)
end
redis.call('ZREM', keys.ends, place)
return touch_media('kept', keys, media_id, kept, now)
