--- Return places whose objects are to be removed: no longer wanted, or their writer has died.
-- Nobody can keep them from here on. They come again after a minute unless they are dropped.
--
-- @key  leader  HASH     "epoch" of who leads
-- @arg  most    integer  how many at most
-- @arg  epoch   integer  the leader's
-- @arg  now_ms  integer  ms since epoch; 0 = server clock
-- @reply ended  places:string  (space between)
-- @reply stale_epoch  (another has taken the lead; nothing changed)
-- @cost  O(m log n) in the numbers of places returned and of all
-- @include clock
-- @include is_stale
-- @include open_media
-- @include unreserve_media
local keys, leader = open_media(), KEYS[8]
local now = clock(ARGV[3])

if is_stale(leader, ARGV[2]) then
  return { 'stale_epoch' }
end
local places = redis.call('ZRANGEBYSCORE', keys.ends, '-inf', now, 'LIMIT', 0, ARGV[1])
for _, place in ipairs(places) do
  unreserve_media(keys, place)
  redis.call('ZADD', keys.ends, string.format('%.0f', now + 60000), place)
end
return { 'ended', table.concat(places, ' ') }
