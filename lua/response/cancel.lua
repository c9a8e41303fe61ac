--- Cancel a response that is made in the background: its worker stops at its next sign of life.
--
-- @key  facts        HASH     response id -> record, msgpack; "bytes" of all contents together
-- @arg  response_id  string   the response
-- @arg  now_ms       integer  ms since epoch; 0 = server clock
-- @reply cancelled   (now or before)
-- @reply ended       (nothing changed)
-- @reply foreground  (it was not made in the background; nothing changed)
-- @reply unknown
-- @repeatable a second call finds it cancelled
-- @cost  O(1)
-- @include clock
-- @include find_response
local facts = KEYS[1]
local response_id, now = ARGV[1], clock(ARGV[2])

local record = find_response(facts, response_id, now)
if not record then
  return { 'unknown' }
elseif record.background == 0 then
  return { 'foreground' }
elseif record.state == 'in_progress' then
  record.state = 'cancelled'
  redis.call('HSET', facts, response_id, cmsgpack.pack(record))
end
return { record.state == 'cancelled' and 'cancelled' or 'ended' }
