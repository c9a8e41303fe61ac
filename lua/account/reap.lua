--- End the leases that ran out and wake the accounts that have cooled, when nobody asks for one.
-- Every acquire does the same first; this keeps lists and counts honest in quiet times.
--
-- @key  leases    HASH     lease id -> account id
-- @key  held      HASH     account id -> its open lease ids, space between
-- @key  statuses  HASH     account id -> "status since_ms until_ms reason"; none: active
-- @keys pools     ZSET,ZSET,HASH  per pool: ready set, timers, counts
-- @arg  limit     integer  timers handled at most
-- @arg  now_ms    integer  ms since epoch; 0 = server clock
-- @reply reaped  count:integer
-- @cost  O(limit * log n) in the number of accounts
-- @include clock
-- @include count_words
-- @include rank
-- @include mark
-- @include end_lease
-- @include handle_due
local leases, held, statuses = KEYS[1], KEYS[2], KEYS[3]
local limit, now = tonumber(ARGV[1]), clock(ARGV[2])
local keys = { leases = leases, held = held, statuses = statuses }

local count = 0
for at = 4, #KEYS, 3 do
  local pool = { ready = KEYS[at], timers = KEYS[at + 1], counts = KEYS[at + 2] }
  count = count + handle_due(keys, pool, now, limit - count)
end
return { 'reaped', count }
