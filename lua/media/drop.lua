--- Note that objects are gone which were no longer wanted.
--
-- @args places  string  where they were
-- @reply dropped  count:integer
-- @repeatable what is gone stays gone
-- @cost  O(m log n) in the numbers of places and of all objects that come or go
-- @include open_media
local keys = open_media()

local count = 0
for _, place in ipairs(ARGV) do
  -- One that is being written is not dropped: whoever writes it decides.
  if redis.call('HEXISTS', keys.coming, place) == 0 then
    count = count + redis.call('ZREM', keys.ends, place)
  end
end
return { 'dropped', count }
