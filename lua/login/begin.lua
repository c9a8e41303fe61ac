--- Let the check of an administrator's password begin, unless too many have failed.
-- A check counts as failed until login/succeed takes it back: so any number at the same time, at any number of workers,
-- is no more than as many one after another. Addresses that were right within a day may fail more often, for their
-- programs ask several workers at once, and strangers cannot shut them out. What strangers share is a rate, no lock.
--
-- @key  claims    HASH     "admin_password" -> its hash
-- @key  address   HASH     "failed": checks since the last right one, "ends_at_ms" of its lock, "right_at_ms"; expires
-- @key  everyone  STRING   bucket of the checks of all strangers
-- @arg  checks    integer  1: a check begins; 0: only say whether the address is locked
-- @arg  now_ms    integer  ms since epoch; 0 = server clock
-- @reply allowed  hash:bytes lock_ms:integer  (no hash before the first start; lock_ms: it locks unless it is right)
-- @reply locked   retry_after_ms:integer
-- @cost  O(1)
-- @include clock
-- @include take_tokens
local FAILURES, FAILURES_OF_KNOWN = 5, 20
local FIRST_LOCK_MS, LONGEST_LOCK_MS = 60000, 3600000
local STRANGERS = { per_minute = 10, burst = 30 }
local KEEP_MS = 86400000

local claims, address, everyone = KEYS[1], KEYS[2], KEYS[3]
local now = clock(ARGV[2])

local found = redis.call('HMGET', address, 'failed', 'ends_at_ms', 'right_at_ms')
local left_ms = (tonumber(found[2]) or 0) - now
if left_ms > 0 then
  return { 'locked', math.min(left_ms, LONGEST_LOCK_MS) }
end
local is_known = now - (tonumber(found[3]) or -KEEP_MS) < KEEP_MS
local hash = redis.call('HGET', claims, 'admin_password') or ''
if ARGV[1] == '0' then
  return { 'allowed', hash, 0 }
end
local wait_ms = is_known and 0 or take_tokens(everyone, STRANGERS, 1, now)
if wait_ms > 0 then
  return { 'locked', wait_ms }
end
local failed, lock_ms = (tonumber(found[1]) or 0) + 1, 0
local over = failed - (is_known and FAILURES_OF_KNOWN or FAILURES)
if over >= 0 then
  lock_ms = math.min(FIRST_LOCK_MS * 2 ^ over, LONGEST_LOCK_MS)
end
local ends_at_ms = string.format('%.0f', now + lock_ms)
redis.call('HSET', address, 'failed', string.format('%.0f', failed), 'ends_at_ms', ends_at_ms)
redis.call('PEXPIRE', address, KEEP_MS)
return { 'allowed', hash, lock_ms }
