--- Start a batch: its items may be taken, and none is added any more.
--
-- @key  facts     HASH     what is known of this batch
-- @key  pending   SET      items that nobody works on
-- @key  open      ZSET     batch id -> when it is forgotten unless it starts, ms since epoch
-- @key  running   ZSET     batch id -> when it started, ms since epoch
-- @arg  batch_id  string   the batch
-- @arg  now_ms    integer  ms since epoch; 0 = server clock
-- @reply started
-- @reply empty     (it has no items; nothing changed)
-- @reply not_open  (it has ended, or is being cancelled; nothing changed)
-- @reply unknown
-- @repeatable one that runs has started
-- @cost  O(1)
-- @include clock
local facts, pending, open, running = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local batch_id, now = ARGV[1], string.format('%.0f', clock(ARGV[2]))

local state = redis.call('HGET', facts, 'state')
if state == 'running' then
  return { 'started' }
elseif state ~= 'open' then
  return { state and 'not_open' or 'unknown' }
elseif redis.call('SCARD', pending) == 0 then
  return { 'empty' }
end
redis.call('HSET', facts, 'state', 'running', 'started_ms', now)
redis.call('PERSIST', facts)
redis.call('PERSIST', pending)
redis.call('ZREM', open, batch_id)
redis.call('ZADD', running, now, batch_id)
return { 'started' }
