--- End one's own leadership, so that another need not wait for the lease to end. The epoch stays for the next to raise.
--
-- @key  leader  HASH    "owner", "epoch", "ends_at_ms" of its lease
-- @arg  owner   string  who resigns
-- @reply resigned
-- @reply not_leader  (another leads, or nobody; nothing changed)
-- @repeatable leadership that has ended stays ended
-- @cost  O(1)
local leader = KEYS[1]

if redis.call('HGET', leader, 'owner') ~= ARGV[1] then
  return { 'not_leader' }
end
redis.call('HDEL', leader, 'owner', 'ends_at_ms')
return { 'resigned' }
