--- Admit a caller by the digest of its key.
-- This runs once per request: limits of a key belong here, taken all or none.
--
-- @key  records  HASH    client key id -> record, JSON
-- @key  digests  HASH    SHA-256 of a key -> client key id
-- @arg  digest   string  SHA-256 of the presented key, hex
-- @reply admitted  record:bytes
-- @reply unknown
-- @repeatable it only reads
-- @cost  O(1)
local records, digests = KEYS[1], KEYS[2]

local key_id = redis.call('HGET', digests, ARGV[1])
local record = key_id and redis.call('HGET', records, key_id)
if not record then
  return { 'unknown' }
end
return { 'admitted', record }
