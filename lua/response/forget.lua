--- Forget a response of one client key. A worker that still makes it stops at its next sign of life.
--
-- @key  facts        HASH     response id -> record, msgpack; "bytes" of all contents together
-- @key  contents     HASH     "response <id>" and "input <id>" -> sealed
-- @key  ends         ZSET     response id -> when it is forgotten, ms since epoch
-- @key  events       STREAM   its events
-- @arg  response_id  string   the response
-- @arg  now_ms       integer  ms since epoch; 0 = server clock
-- @reply forgotten
-- @reply unknown
-- @cost  O(log n) in the number of responses of this key
-- @include clock
-- @include find_response
-- @include drop_response
local facts, contents, ends, events = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local response_id, now = ARGV[1], clock(ARGV[2])

local was_known = find_response(facts, response_id, now) ~= nil
drop_response(facts, contents, ends, response_id)
redis.call('DEL', events)
return { was_known and 'forgotten' or 'unknown' }
