--- Return objects of the index whose bytes were not seen since a time, longest first.
--
-- @key  leader     HASH     "epoch" of who leads
-- @arg  before_ms  integer  ms since epoch
-- @arg  limit      integer  how many at most
-- @arg  epoch      integer  the leader's
-- @reply unseen  items:bytes  (msgpack: per item id, place, media type, size, made at, last use)
-- @reply stale_epoch  (another has taken the lead)
-- @repeatable nothing changes
-- @cost  O(log n + m) in the numbers of objects and of those returned
-- @include is_stale
-- @include open_media
-- @include find_media
local keys, leader = open_media(), KEYS[8]

if is_stale(leader, ARGV[3]) then
  return { 'stale_epoch' }
end
local found = redis.call(
  'ZRANGEBYSCORE', keys.seen, '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2]
)
local items = {}
for at, media_id in ipairs(found) do
  local kept = find_media(keys, media_id)
  items[at] = { media_id, kept.place, kept.media_type, kept.size, kept.created, kept.created }
end
return { 'unseen', cmsgpack.pack(items) }
