--- End a response that is made in the background: its last events, and what it came to.
--
-- @key  facts        HASH     response id -> record, msgpack; "bytes" of all contents together
-- @key  contents     HASH     "response <id>" and "input <id>" -> sealed
-- @key  events       STREAM   its events: "first" and "last" number, "data" sealed, "end"; capped
-- @arg  response_id  string   the response
-- @arg  state        string   completed, incomplete or failed
-- @arg  response     bytes    the response, sealed
-- @arg  first        integer  number of the first event
-- @arg  last         integer  number of the last event
-- @arg  data         bytes    the events, sealed
-- @arg  replay_ms    integer  how long its events can be read again at most
-- @arg  now_ms       integer  ms since epoch; 0 = server clock
-- @reply finished
-- @reply over  (it has ended before, was cancelled or is forgotten; nothing changed)
-- @cost  O(1)
-- @include clock
-- @include find_response
local facts, contents, events = KEYS[1], KEYS[2], KEYS[3]
local response_id, response, now = ARGV[1], ARGV[3], clock(ARGV[8])

local record = find_response(facts, response_id, now)
if not record or record.state ~= 'in_progress' then
  return { 'over' }
end
local name = 'response ' .. response_id
local grown = #response - redis.call('HSTRLEN', contents, name)
record.state, record.size = ARGV[2], record.size + grown
redis.call('HSET', facts, response_id, cmsgpack.pack(record))
redis.call('HINCRBY', facts, 'bytes', grown)
redis.call('HSET', contents, name, response)
redis.call('XADD', events, '*', 'first', ARGV[4], 'last', ARGV[5], 'data', ARGV[6], 'end', 1)
redis.call('PEXPIREAT', events, string.format('%.0f', math.min(record.ends, now + ARGV[7])))
return { 'finished' }
