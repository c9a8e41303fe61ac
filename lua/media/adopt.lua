--- Decide about an object that was found in the store and that the index does not know like this.
--
-- @key  leader      HASH     "epoch" of who leads
-- @arg  media_id    string   as its name says
-- @arg  place       string   where it is
-- @arg  media_type  string   as its name says
-- @arg  size        integer  bytes
-- @arg  created_ms  integer  when it was written, ms since epoch
-- @arg  epoch       integer  the leader's
-- @arg  now_ms      integer  ms since epoch; 0 = server clock
-- @reply adopted  (the index was lost: it is in it again)
-- @reply known    (it is in the index; nothing changed)
-- @reply pending  (it is being written, or about to be removed; nothing changed)
-- @reply useless  (the same content is kept elsewhere, or it is not whole: remove it)
-- @reply stale_epoch  (another has taken the lead; nothing changed)
-- @cost  O(log n) in the number of objects
-- @include clock
-- @include is_stale
-- @include open_media
-- @include find_media
-- @include index_media
-- @include unindex_media
local keys, leader = open_media(), KEYS[8]
local media_id, place, now = ARGV[1], ARGV[2], clock(ARGV[7])

if is_stale(leader, ARGV[6]) then
  return { 'stale_epoch' }
elseif redis.call('ZSCORE', keys.ends, place) then
  return { 'pending' }
end
local found = {
  place = place, media_type = ARGV[3], size = tonumber(ARGV[4]), created = tonumber(ARGV[5]),
}
local kept = find_media(keys, media_id)
if not kept then
  index_media(keys, media_id, found, now)
  return { 'adopted' }
elseif kept.place ~= place then
  redis.call('ZADD', keys.ends, string.format('%.0f', now + 60000), place)
  return { 'useless' }
elseif kept.size ~= found.size then
  unindex_media(keys, media_id, kept, now)
  return { 'useless' }
end
return { 'known' }
