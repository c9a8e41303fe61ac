--- Count claimed items as done or failed, each once, whoever reports it. The last one ends the batch.
--
-- @key  facts     HASH     what is known of this batch
-- @key  pending   SET      items that nobody works on
-- @key  claimed   ZSET     item -> when its claim ends, ms since epoch
-- @key  failures  LIST     "item reason" of those that failed
-- @key  running   ZSET     batch id -> when it started, ms since epoch
-- @key  finished  ZSET     batch id -> when it is forgotten, ms since epoch
-- @key  results   HASH     item -> what came of it, sealed
-- @key  leader    HASH     "epoch" of who leads
-- @arg  batch_id  string   the batch
-- @arg  max_failures  integer  failures that are listed; more are only counted
-- @arg  epoch     integer  the leader's
-- @arg  now_ms    integer  ms since epoch; 0 = server clock
-- @args results   string   an item and why it failed, "" when it did not, and so on
-- @reply finished  count:integer  (of these, which had not been counted before)
-- @reply over      (it has ended, or there is no such batch)
-- @reply stale_epoch  (another has taken the lead; nothing changed)
-- @cost  O(m log n) in the numbers of results and of claimed items
-- @include clock
-- @include is_stale
-- @include end_batch
local facts, pending, claimed, failures, leader = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[8]
local keys = {
  facts = facts, pending = pending, claimed = claimed,
  failures = failures, running = KEYS[5], finished = KEYS[6], results = KEYS[7],
}
local batch_id, max_failures, now = ARGV[1], tonumber(ARGV[2]), clock(ARGV[4])

local function note(item, reason)
  redis.call('HINCRBY', facts, reason == '' and 'ok' or 'fail', 1)
  if reason == '' then
    return
  end
  redis.call('HDEL', keys.results, item)
  if redis.call('LLEN', failures) < max_failures then
    redis.call('RPUSH', failures, item .. ' ' .. reason)
  else
    redis.call('HINCRBY', facts, 'more_failures', 1)
  end
end

if is_stale(leader, ARGV[3]) then
  return { 'stale_epoch' }
end
local state = redis.call('HGET', facts, 'state')
if state ~= 'running' and state ~= 'cancelling' then
  return { 'over' }
end
local count = 0
for at = 5, #ARGV, 2 do
  if redis.call('ZREM', claimed, ARGV[at]) == 1 then
    count = count + 1
    note(ARGV[at], ARGV[at + 1])
  end
end
if redis.call('ZCARD', claimed) + redis.call('SCARD', pending) == 0 then
  end_batch(keys, batch_id, state == 'running' and 'done' or 'cancelled', now)
end
return { 'finished', count }
