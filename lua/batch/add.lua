--- Add items to a batch that has not started. One that is there already counts once.
--
-- @key  facts     HASH     what is known of this batch
-- @key  pending   SET      items that nobody works on
-- @key  open      ZSET     batch id -> when it is forgotten unless it starts, ms since epoch
-- @arg  batch_id  string   the batch
-- @arg  max_items integer  items that a batch may have
-- @arg  open_ms   integer  how long it waits for the next item, or for its start
-- @arg  now_ms    integer  ms since epoch; 0 = server clock
-- @args items     string   account ids, at least one
-- @reply added     total:integer  (items of the batch by now)
-- @reply too_many  (nothing changed)
-- @reply not_open  (it has started or ended; nothing changed)
-- @reply unknown
-- @repeatable an item that is there already is not added again
-- @cost  O(m) in the number of items given
-- @include clock
local facts, pending, open = KEYS[1], KEYS[2], KEYS[3]
local batch_id, open_ms, now = ARGV[1], ARGV[3], clock(ARGV[4])
local items = { unpack(ARGV, 5) }

local state = redis.call('HGET', facts, 'state')
if state ~= 'open' then
  return { state and 'not_open' or 'unknown' }
end
if redis.call('SCARD', pending) + #items > tonumber(ARGV[2]) then
  return { 'too_many' }
end
redis.call('SADD', pending, unpack(items))
local total = redis.call('SCARD', pending)
redis.call('HSET', facts, 'total', total)
redis.call('PEXPIRE', facts, open_ms)
redis.call('PEXPIRE', pending, open_ms)
redis.call('ZADD', open, string.format('%.0f', now + open_ms), batch_id)
return { 'added', total }
