--- Keep what all accounts together have left, as a walk over them found it. It is forgotten unless it is kept anew.
--
-- @key  left    HASH     "pool mode" -> units left of windows whose number is known; it expires
-- @key  leader  HASH     "epoch" of who leads
-- @arg  epoch   integer  the leader's
-- @arg  ttl_ms  integer  how long it is believed
-- @args found   string   a pool and mode, and the units that are left there, and so on
-- @reply kept
-- @reply stale_epoch  (another has taken the lead; nothing changed)
-- @repeatable it keeps the same again
-- @cost  O(n) in the number of pools and modes
-- @include is_stale
local left, leader = KEYS[1], KEYS[2]

if is_stale(leader, ARGV[1]) then
  return { 'stale_epoch' }
end
redis.call('DEL', left)
for at = 3, #ARGV, 2 do
  redis.call('HSET', left, ARGV[at], ARGV[at + 1])
end
redis.call('PEXPIRE', left, ARGV[2])
return { 'kept' }
