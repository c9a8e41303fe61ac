--- Return what one kind of media takes up.
--
-- @reply usage  count:integer bytes:integer reserved:integer
-- @repeatable nothing changes
-- @cost  O(1)
-- @include open_media
local keys = open_media()

local counts = redis.call('HMGET', keys.counts, 'bytes', 'reserved')
local count = redis.call('HLEN', keys.index)
return { 'usage', count, tonumber(counts[1] or 0), tonumber(counts[2] or 0) }
