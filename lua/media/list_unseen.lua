--- Return objects of the index whose bytes were not seen since a time, longest first.
--
-- @arg  before_ms  integer  ms since epoch
-- @arg  limit      integer  how many at most
-- @reply unseen  items:bytes  (msgpack: per item id, place, media type, size, made at, last use)
-- @repeatable nothing changes
-- @cost  O(log n + m) in the numbers of objects and of those returned
-- @include open_media
-- @include find_media
local keys = open_media()

local found = redis.call(
  'ZRANGEBYSCORE', keys.seen, '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2]
)
local items = {}
for at, media_id in ipairs(found) do
  local kept = find_media(keys, media_id)
  items[at] = { media_id, kept.place, kept.media_type, kept.size, kept.created, kept.created }
end
return { 'unseen', cmsgpack.pack(items) }
