--- Forget a batch that no work is done for: one that has ended, or has not started.
--
-- @key  facts     HASH    what is known of this batch
-- @key  pending   SET     items that nobody works on
-- @key  claimed   ZSET    item -> when its claim ends, ms since epoch
-- @key  failures  LIST    "item reason" of those that failed
-- @key  index     ZSET    batch id -> its place in the list; the newest has the highest
-- @key  open      ZSET    batch id -> when it is forgotten unless it starts, ms since epoch
-- @key  finished  ZSET    batch id -> when it is forgotten, ms since epoch
-- @key  results   HASH    item -> what came of it, sealed
-- @arg  batch_id  string  the batch
-- @reply forgotten
-- @reply working  (it runs, or is being cancelled; nothing changed)
-- @repeatable what is gone stays gone
-- @cost  O(log n) in the number of batches
local facts, pending, claimed, failures = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local index, open, finished = KEYS[5], KEYS[6], KEYS[7]
local results, batch_id = KEYS[8], ARGV[1]

local state = redis.call('HGET', facts, 'state')
if state == 'running' or state == 'cancelling' then
  return { 'working' }
end
redis.call('UNLINK', facts, pending, claimed, failures, results)
for _, set in ipairs({ index, open, finished }) do
  redis.call('ZREM', set, batch_id)
end
return { 'forgotten' }
