--- Keep a response of one client key: one that has ended, or one that a worker makes in the background.
-- Where there are too many, those that end first are forgotten.
--
-- @key  facts        HASH     response id -> record, msgpack; "bytes" of all contents together
-- @key  contents     HASH     "response <id>" and "input <id>" -> sealed
-- @key  ends         ZSET     response id -> when it is forgotten, ms since epoch
-- @arg  response_id  string   chosen by the caller, unique
-- @arg  state        string   in_progress, completed, incomplete or failed
-- @arg  previous     string   the response that this one continues, or ""
-- @arg  affinity     string   the conversation under which it was given, or ""
-- @arg  response     bytes    the response, sealed
-- @arg  input        bytes    its input items, sealed
-- @arg  keep_ms      integer  how long it is kept
-- @arg  lease_ms     integer  how long its worker may be silent; 0 unless it is made in the background
-- @arg  max_count    integer  responses of this key at most
-- @arg  max_bytes    integer  bytes of their contents at most
-- @arg  now_ms       integer  ms since epoch; 0 = server clock
-- @reply saved
-- @reply too_large  (nothing changed but that old ones may be gone)
-- @cost  O(m log n): m are forgotten, at most 1024 at once
-- @include clock
-- @include drop_response
local facts, contents, ends = KEYS[1], KEYS[2], KEYS[3]
local response_id, response, input = ARGV[1], ARGV[5], ARGV[6]
local keep_ms, lease_ms, now = tonumber(ARGV[7]), tonumber(ARGV[8]), clock(ARGV[11])
local max_count, max_bytes = tonumber(ARGV[9]), tonumber(ARGV[10])
local size = #response + #input

local function is_full()
  local bytes = tonumber(redis.call('HGET', facts, 'bytes') or 0)
  return redis.call('ZCARD', ends) >= max_count or bytes + size > max_bytes
end

drop_response(facts, contents, ends, response_id)
if size > max_bytes then
  return { 'too_large' }
end
for _, over in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, 64)) do
  drop_response(facts, contents, ends, over)
end
local left = 1024
while is_full() do
  local oldest = redis.call('ZRANGE', ends, 0, 0)[1]
  if left == 0 or not oldest then
    return { 'too_large' }
  end
  drop_response(facts, contents, ends, oldest)
  left = left - 1
end
local record = {
  state = ARGV[2], previous = ARGV[3], affinity = ARGV[4], size = size,
  ends = now + keep_ms, lease = now + lease_ms, background = lease_ms > 0 and 1 or 0,
}
redis.call('HSET', facts, response_id, cmsgpack.pack(record))
redis.call('HINCRBY', facts, 'bytes', size)
redis.call('HSET', contents, 'response ' .. response_id, response, 'input ' .. response_id, input)
redis.call('ZADD', ends, string.format('%.0f', now + keep_ms), response_id)
local last = redis.call('ZRANGE', ends, -1, -1, 'WITHSCORES')[2]
for _, key in ipairs({ facts, contents, ends }) do
  redis.call('PEXPIREAT', key, string.format('%.0f', last))
end
return { 'saved' }
