--- Claim items to work on. Those whose claim has run out come first.
-- A claim also ends when another claimer comes: there is one at a time, and the last one has stopped or is fenced off.
-- Of a batch that is being cancelled nothing is given out; claims that have ended are counted as skipped.
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
-- @arg  claimer   string   who asks; new at each beginning
-- @arg  limit     integer  items taken at most
-- @arg  max_claimed  integer  items that may be claimed at the same time
-- @arg  ttl_ms    integer  lifetime of the claims
-- @arg  epoch     integer  the leader's
-- @arg  now_ms    integer  ms since epoch; 0 = server clock
-- @reply taken  kind:string  params:bytes  items:string  (space between; none: all are claimed)
-- @reply over   (nothing is left to do, or there is no such batch)
-- @reply stale_epoch  (another has taken the lead; nothing changed)
-- @cost  O(m log n) in the numbers of items taken and claimed; O(n) once for each claimer
-- @include clock
-- @include is_stale
-- @include end_batch
local facts, pending, claimed, leader = KEYS[1], KEYS[2], KEYS[3], KEYS[8]
local keys = {
  facts = facts, pending = pending, claimed = claimed,
  failures = KEYS[4], running = KEYS[5], finished = KEYS[6], results = KEYS[7],
}
local batch_id, claimer, limit, now = ARGV[1], ARGV[2], tonumber(ARGV[3]), clock(ARGV[7])

local function end_claims_of_others(last)
  if last ~= claimer then
    redis.call('ZUNIONSTORE', claimed, 1, claimed, 'WEIGHTS', 0)
    redis.call('HSET', facts, 'claimer', claimer)
  end
end

local function skip(items)
  if #items > 0 then
    redis.call('ZREM', claimed, unpack(items))
    redis.call('HDEL', keys.results, unpack(items))
    redis.call('HINCRBY', facts, 'skipped', #items)
  end
  if redis.call('ZCARD', claimed) == 0 then
    end_batch(keys, batch_id, 'cancelled', now)
    return true
  end
  return false
end

if is_stale(leader, ARGV[6]) then
  return { 'stale_epoch' }
end
local found = redis.call('HMGET', facts, 'state', 'kind', 'params', 'claimer')
if found[1] ~= 'running' and found[1] ~= 'cancelling' then
  return { 'over' }
end
end_claims_of_others(found[4])
local items = redis.call('ZRANGEBYSCORE', claimed, '-inf', now, 'LIMIT', 0, limit)
if found[1] == 'cancelling' then
  return skip(items) and { 'over' } or { 'taken', found[2], found[3], '' }
end
local room = math.min(limit - #items, ARGV[4] - redis.call('ZCARD', claimed))
if room > 0 then
  for _, item in ipairs(redis.call('SPOP', pending, room)) do
    items[#items + 1] = item
  end
end
local ends_at = string.format('%.0f', now + ARGV[5])
for _, item in ipairs(items) do
  redis.call('ZADD', claimed, ends_at, item)
end
return { 'taken', found[2], found[3], table.concat(items, ' ') }
