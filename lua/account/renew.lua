--- Give an open lease a new lifetime from now on.
-- A lease that has run out is not revived, whether or not anything has noticed yet.
--
-- @key  leases    HASH     lease id -> lease, msgpack
-- @key  timers    ZSET     "lease id" -> its end, ms since epoch
-- @key  accounts  HASH     account id -> account, msgpack
-- @arg  lease_id  string   the lease
-- @arg  ttl_ms    integer  lifetime from now on
-- @arg  now_ms    integer  ms since epoch; 0 = server clock
-- @reply renewed  expires_at_ms:integer
-- @reply gone     (it ended by release, expiry or removal of its account)
-- @repeatable the lease ends a lifetime after the last of the calls
-- @cost  O(log n) in the number of open leases
-- @include clock
local leases, timers, accounts = KEYS[1], KEYS[2], KEYS[3]
local lease_id, now = ARGV[1], clock(ARGV[3])

local ends_at_ms = redis.call('ZSCORE', timers, 'lease ' .. lease_id)
if not ends_at_ms or tonumber(ends_at_ms) <= now then
  return { 'gone' }
end
local id, _, _, born = unpack(cmsgpack.unpack(redis.call('HGET', leases, lease_id)))
local account = redis.call('HGET', accounts, id)
if not account or cmsgpack.unpack(account).born ~= born then
  return { 'gone' }
end
local expires_at_ms = now + ARGV[2]
redis.call('ZADD', timers, string.format('%.0f', expires_at_ms), 'lease ' .. lease_id)
return { 'renewed', expires_at_ms }
