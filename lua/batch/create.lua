--- Open a batch, to which items are then added. Those whose time is over leave the list first.
--
-- @key  facts           HASH     what is known of this batch
-- @key  index           ZSET     batch id -> its place in the list; the newest has the highest
-- @key  open            ZSET     batch id -> when it is forgotten unless it starts, ms since epoch
-- @key  running         ZSET     batch id -> when it started, ms since epoch
-- @key  finished        ZSET     batch id -> when it is forgotten, ms since epoch
-- @arg  batch_id        string   chosen by the caller, unique
-- @arg  kind            string   what is done to each item
-- @arg  params          bytes    how, JSON
-- @arg  created_by      string   who asked for it
-- @arg  keep_ms         integer  how long it stays readable after its end
-- @arg  open_ms         integer  how long it waits for the next item, or for its start
-- @arg  max_unfinished  integer  batches open or running at the same time
-- @arg  max_kept        integer  batches in the list
-- @arg  now_ms          integer  ms since epoch; 0 = server clock
-- @reply created
-- @reply busy
-- @reply full  oldest:string  (forget this one and try again)
-- @repeatable the same id is there already
-- @cost  O(n log n) in the number of batches kept, at most `max_kept`
-- @include clock
local facts, index, open, running, finished = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local batch_id, open_ms, now = ARGV[1], ARGV[6], clock(ARGV[9])

if redis.call('EXISTS', facts) == 1 then
  return { 'created' }
end
for _, timed in ipairs({ open, finished }) do
  local due = redis.call('ZRANGEBYSCORE', timed, '-inf', now, 'LIMIT', 0, ARGV[8])
  for _, over in ipairs(due) do
    redis.call('ZREM', timed, over)
    redis.call('ZREM', index, over)
  end
end
if redis.call('ZCARD', open) + redis.call('ZCARD', running) >= tonumber(ARGV[7]) then
  return { 'busy' }
end
if redis.call('ZCARD', index) >= tonumber(ARGV[8]) then
  return { 'full', redis.call('ZRANGE', finished, 0, 0)[1] }
end
local newest = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2] or 0
local place = string.format('%.0f', math.max(now, newest + 1))
redis.call(
  'HSET', facts, 'kind', ARGV[2], 'params', ARGV[3], 'created_by', ARGV[4], 'keep_ms', ARGV[5],
  'state', 'open', 'place', place, 'created_ms', string.format('%.0f', now)
)
redis.call('PEXPIRE', facts, open_ms)
redis.call('ZADD', index, place, batch_id)
redis.call('ZADD', open, string.format('%.0f', now + open_ms), batch_id)
return { 'created' }
