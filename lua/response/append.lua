--- Tell events of a response that is made in the background, or only that its worker lives.
--
-- @key  facts        HASH     response id -> record, msgpack; "bytes" of all contents together
-- @key  events       STREAM   its events: "first" and "last" number, "data" sealed; capped
-- @arg  response_id  string   the response
-- @arg  first        integer  number of the first event
-- @arg  last         integer  number of the last event
-- @arg  data         bytes    the events, sealed; "" for none
-- @arg  lease_ms     integer  how long the worker may be silent from now on
-- @arg  max_entries  integer  length of the stream at which the oldest go
-- @arg  now_ms       integer  ms since epoch; 0 = server clock
-- @reply appended
-- @reply over  (it has ended, was cancelled or is forgotten: stop; nothing changed)
-- @cost  O(1)
-- @include clock
-- @include find_response
local facts, events = KEYS[1], KEYS[2]
local response_id, data, now = ARGV[1], ARGV[4], clock(ARGV[7])

local record = find_response(facts, response_id, now)
if not record or record.state ~= 'in_progress' then
  return { 'over' }
end
record.lease = now + ARGV[5]
redis.call('HSET', facts, response_id, cmsgpack.pack(record))
if data ~= '' then
  redis.call(
    'XADD', events, 'MAXLEN', '~', ARGV[6], '*', 'first', ARGV[2], 'last', ARGV[3], 'data', data
  )
  redis.call('PEXPIREAT', events, string.format('%.0f', record.ends))
end
return { 'appended' }
