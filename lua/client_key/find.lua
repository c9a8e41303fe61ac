--- Find a client key by the digest of what a caller presents.
--
-- @key  records  HASH    client key id -> record, JSON
-- @key  digests  HASH    SHA-256 of a key -> client key id
-- @arg  digest   string  SHA-256 of the presented key, hex
-- @reply found  record:bytes
-- @reply unknown
-- @repeatable it only reads
-- @cost  O(1)
local records, digests = KEYS[1], KEYS[2]

local key_id = redis.call('HGET', digests, ARGV[1])
local record = key_id and redis.call('HGET', records, key_id)
if not record then
  return { 'unknown' }
end
return { 'found', record }
