--- Lead for a while, go on leading, or learn for how long another does.
-- Each change of hands raises the epoch, and so does a lease that ran out before its owner came back: what was begun
-- under the old one is over. It is at least the time in ms, so that it does not fall back when a store lost data.
--
-- @key  leader  HASH     "owner", "epoch", "ends_at_ms" of its lease
-- @arg  owner   string   who asks, unique to a process
-- @arg  ttl_ms  integer  lifetime of the lease from now on
-- @arg  now_ms  integer  ms since epoch; 0 = server clock
-- @reply elected   epoch:integer
-- @reply follower  ttl_ms:integer  (what is left of the other's lease)
-- @repeatable the same owner keeps its epoch; the lease ends a lifetime after the last of the calls
-- @cost  O(1)
-- @include clock
local leader = KEYS[1]
local owner, now = ARGV[1], clock(ARGV[3])

local found = redis.call('HMGET', leader, 'owner', 'epoch', 'ends_at_ms')
local epoch, left = tonumber(found[2]) or 0, (tonumber(found[3]) or 0) - now
if left > 0 and found[1] ~= owner then
  return { 'follower', left }
end
if left <= 0 then
  epoch = math.max(epoch + 1, now)
end
local ends_at_ms = string.format('%.0f', now + ARGV[2])
redis.call(
  'HSET', leader, 'owner', owner, 'epoch', string.format('%.0f', epoch), 'ends_at_ms', ends_at_ms
)
return { 'elected', epoch }
