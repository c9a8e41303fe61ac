--- Return some of what is kept, the newest first.
--
-- @arg  skip   integer  how many come before
-- @arg  limit  integer  how many at most
-- @reply page  total:integer items:bytes
--   (msgpack: per item id, place, media type, size, made at and last use in ms since epoch)
-- @repeatable nothing changes
-- @cost  O(log n + m) in the numbers of objects and of those returned
-- @include open_media
-- @include find_media
local keys = open_media()
local skip, limit = tonumber(ARGV[1]), tonumber(ARGV[2])

local items = {}
for at, media_id in ipairs(redis.call('ZREVRANGE', keys.created, skip, skip + limit - 1)) do
  local kept = find_media(keys, media_id)
  local used = tonumber(redis.call('ZSCORE', keys.used, media_id))
  items[at] = { media_id, kept.place, kept.media_type, kept.size, kept.created, used }
end
return { 'page', redis.call('ZCARD', keys.created), cmsgpack.pack(items) }
