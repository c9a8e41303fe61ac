--- Take out of the index what was unused for longest, once there is more than a limit.
-- Whoever calls removes the objects; the leader does so a minute later if he dies.
--
-- @key  leader  HASH     "epoch" of who leads
-- @arg  limit   integer  nothing goes up to so many bytes; -1: everything may
-- @arg  target  integer  over the limit, go down to so many bytes; -1: until nothing is left
-- @arg  idle_ms integer  what was not used for so long goes in any case; 0: nothing
-- @arg  most    integer  how many at most
-- @arg  epoch   integer  the leader's; 0: this is no leader's work
-- @arg  now_ms  integer  ms since epoch; 0 = server clock
-- @reply evicted  places:string is_done:integer  (space between; 0: more has to go to the target)
-- @reply stale_epoch  (another has taken the lead; nothing changed)
-- @cost  O(m log n) in the numbers of those that go and of all
-- @include clock
-- @include is_stale
-- @include open_media
-- @include find_media
-- @include unindex_media
local keys, leader = open_media(), KEYS[8]
local limit, target = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = clock(ARGV[6])

if is_stale(leader, ARGV[5]) then
  return { 'stale_epoch' }
end
local counts = redis.call('HMGET', keys.counts, 'bytes', 'reserved')
local bytes = (counts[1] or 0) + (counts[2] or 0)
local is_over = bytes > limit
local idle_since = tonumber(ARGV[3]) > 0 and now - ARGV[3] or -1
local oldest = redis.call('ZRANGE', keys.used, 0, ARGV[4] - 1, 'WITHSCORES')
local places = {}
for at = 1, #oldest, 2 do
  local media_id = oldest[at]
  if not (is_over and bytes > target) and tonumber(oldest[at + 1]) > idle_since then
    break
  end
  local kept = find_media(keys, media_id)
  unindex_media(keys, media_id, kept, now)
  bytes = bytes - kept.size
  places[#places + 1] = kept.place
end
local is_done = not (is_over and bytes > target) or #oldest == 0
return { 'evicted', table.concat(places, ' '), is_done and 1 or 0 }
