--- Note that objects were seen in the store; return those that the index does not know like this.
--
-- @key  leader   HASH     "epoch" of who leads
-- @arg  seen_ms  integer  when, ms since epoch
-- @arg  epoch    integer  the leader's
-- @args objects  string   groups of three: media id, place, bytes
-- @reply strangers  numbers:string  (their numbers in the list from 0 on, space between)
-- @reply stale_epoch  (another has taken the lead; nothing changed)
-- @repeatable a time only moves forward
-- @cost  O(m log n) in the numbers of those seen and of all
-- @include is_stale
-- @include open_media
-- @include find_media
local keys, leader = open_media(), KEYS[8]

if is_stale(leader, ARGV[2]) then
  return { 'stale_epoch' }
end
local strangers = {}
for at = 3, #ARGV, 3 do
  local media_id = ARGV[at]
  local kept = find_media(keys, media_id)
  if kept and kept.place == ARGV[at + 1] and kept.size == tonumber(ARGV[at + 2]) then
    redis.call('ZADD', keys.seen, 'GT', ARGV[1], media_id)
  else
    strangers[#strangers + 1] = at / 3 - 1
  end
end
return { 'strangers', table.concat(strangers, ' ') }
