--- Return a response of one client key. One that is continued is kept for longer.
--
-- @key  facts        HASH     response id -> record, msgpack; "bytes" of all contents together
-- @key  contents     HASH     "response <id>" and "input <id>" -> sealed
-- @key  ends         ZSET     response id -> when it is forgotten, ms since epoch
-- @arg  response_id  string   the response
-- @arg  keep_ms      integer  how long it is kept from now on; 0: as long as it would be anyway
-- @arg  now_ms       integer  ms since epoch; 0 = server clock
-- @reply found  state:string previous:string affinity:string background:integer response:bytes input:bytes
-- @reply unknown
-- @repeatable it only moves an end forward
-- @cost  O(log n) in the number of responses of this key
-- @include clock
-- @include find_response
local facts, contents, ends = KEYS[1], KEYS[2], KEYS[3]
local response_id, keep_ms, now = ARGV[1], tonumber(ARGV[2]), clock(ARGV[3])

local record = find_response(facts, response_id, now)
if not record then
  return { 'unknown' }
end
if now + keep_ms > record.ends then
  record.ends = now + keep_ms
  redis.call('HSET', facts, response_id, cmsgpack.pack(record))
  redis.call('ZADD', ends, string.format('%.0f', record.ends), response_id)
  local last = redis.call('ZRANGE', ends, -1, -1, 'WITHSCORES')[2]
  for _, key in ipairs({ facts, contents, ends }) do
    redis.call('PEXPIREAT', key, string.format('%.0f', last))
  end
end
local kept = redis.call('HMGET', contents, 'response ' .. response_id, 'input ' .. response_id)
return { 'found', record.state, record.previous, record.affinity, record.background, unpack(kept) }
