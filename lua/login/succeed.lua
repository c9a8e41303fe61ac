--- Note that an address had the right password: its failed checks and its lock are forgotten; for a day it is known.
--
-- @key  address  HASH     "failed": checks since the last right one, "ends_at_ms" of its lock, "right_at_ms"; expires
-- @arg  now_ms   integer  ms since epoch; 0 = server clock
-- @reply noted
-- @repeatable it is forgotten once
-- @cost  O(1)
-- @include clock
local KEEP_MS = 86400000

local address = KEYS[1]

redis.call('HDEL', address, 'failed', 'ends_at_ms')
redis.call('HSET', address, 'right_at_ms', string.format('%.0f', clock(ARGV[1])))
redis.call('PEXPIRE', address, KEEP_MS)
return { 'noted' }
