--- Take tokens of a bucket, or say when there will be enough; what is refused takes nothing.
--
-- @key  bucket      STRING   when it is full again, µs since epoch; expires then
-- @arg  per_minute  integer  tokens that come in a minute, at least 1
-- @arg  burst       integer  tokens that it holds, at least 1
-- @arg  cost        integer  tokens wanted, from 1 to burst
-- @arg  now_ms      integer  ms since epoch; 0 = server clock
-- @reply taken
-- @reply refused  retry_after_ms:integer
-- @cost  O(1)
-- @include clock
-- @include take_tokens
local bucket = KEYS[1]
local limit = { per_minute = tonumber(ARGV[1]), burst = tonumber(ARGV[2]) }

local wait_ms = take_tokens(bucket, limit, tonumber(ARGV[3]), clock(ARGV[4]))
if wait_ms > 0 then
  return { 'refused', wait_ms }
end
return { 'taken' }
