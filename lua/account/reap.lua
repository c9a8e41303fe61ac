--- End the leases that ran out and wake the accounts that have cooled, when nobody asks for one.
-- Every acquire does the same first; this keeps lists and counts honest in quiet times.
--
-- @key  leases    HASH     lease id -> account id
-- @key  held      HASH     account id -> its open lease ids, space between
-- @key  statuses  HASH     account id -> "status since_ms until_ms reason"; none: active
-- @key  leader    HASH     "epoch" of who leads
-- @keys pools     ZSET,ZSET,HASH  per pool: ready set, timers, counts
-- @arg  limit     integer  timers handled at most
-- @arg  epoch     integer  the leader's, 0 when it is no leader who calls
-- @arg  now_ms    integer  ms since epoch; 0 = server clock
-- @reply reaped       count:integer
-- @reply stale_epoch  (another has taken the lead; nothing changed)
-- @cost  O(limit * log n) in the number of accounts
-- @include clock
-- @include is_stale
-- @include count_words
-- @include rank
-- @include mark
-- @include end_lease
-- @include handle_due
local leases, held, statuses, leader = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local limit, epoch, now = tonumber(ARGV[1]), ARGV[2], clock(ARGV[3])
local keys = { leases = leases, held = held, statuses = statuses }

if is_stale(leader, epoch) then
  return { 'stale_epoch' }
end
local count = 0
for at = 5, #KEYS, 3 do
  local pool = { ready = KEYS[at], timers = KEYS[at + 1], counts = KEYS[at + 2] }
  count = count + handle_due(keys, pool, now, limit - count)
end
return { 'reaped', count }
