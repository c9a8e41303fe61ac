--- Cancel a batch: what nobody works on is dropped and counted as skipped; what is claimed may finish.
--
-- @key  facts     HASH     what is known of this batch
-- @key  pending   SET      items that nobody works on
-- @key  claimed   ZSET     item -> when its claim ends, ms since epoch
-- @key  failures  LIST     "item reason" of those that failed
-- @key  open      ZSET     batch id -> when it is forgotten unless it starts, ms since epoch
-- @key  running   ZSET     batch id -> when it started, ms since epoch
-- @key  finished  ZSET     batch id -> when it is forgotten, ms since epoch
-- @key  results   HASH     item -> what came of it, sealed
-- @arg  batch_id  string   the batch
-- @arg  now_ms    integer  ms since epoch; 0 = server clock
-- @reply cancelled   (nothing of it goes on)
-- @reply cancelling  (what is claimed goes on)
-- @reply done        (it had ended before; nothing changed)
-- @reply unknown
-- @repeatable what is dropped is dropped once
-- @cost  O(log n) in the number of batches
-- @include clock
-- @include end_batch
local facts, pending, claimed, open = KEYS[1], KEYS[2], KEYS[3], KEYS[5]
local keys = {
  facts = facts, pending = pending, claimed = claimed,
  failures = KEYS[4], running = KEYS[6], finished = KEYS[7], results = KEYS[8],
}
local batch_id, now = ARGV[1], clock(ARGV[2])

local state = redis.call('HGET', facts, 'state')
if not state then
  return { 'unknown' }
elseif state == 'done' then
  return { 'done' }
elseif state == 'cancelled' then
  return { 'cancelled' }
elseif state == 'cancelling' then
  return { 'cancelling' }
end
redis.call('HINCRBY', facts, 'skipped', redis.call('SCARD', pending))
redis.call('UNLINK', pending)
redis.call('ZREM', open, batch_id)
if redis.call('ZCARD', claimed) == 0 then
  end_batch(keys, batch_id, 'cancelled', now)
  return { 'cancelled' }
end
redis.call('HSET', facts, 'state', 'cancelling')
return { 'cancelling' }
