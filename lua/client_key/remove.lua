--- Revoke a client key: the very next call with it is refused.
--
-- @key  records    HASH    client key id -> record, JSON
-- @key  digests    HASH    SHA-256 of a key -> client key id
-- @key  digest_of  HASH    client key id -> SHA-256 of its key
-- @key  index      ZSET    client key id -> 0, so that lists page by id
-- @key  usage      HASH    client key id -> its use, msgpack
-- @arg  key_id     string  the client key
-- @reply removed
-- @reply unknown
-- @cost  O(log n) in the number of client keys
local records, digests, digest_of, index, usage = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local key_id = ARGV[1]

local digest = redis.call('HGET', digest_of, key_id)
if not digest then
  return { 'unknown' }
end
redis.call('HDEL', digests, digest)
redis.call('HDEL', digest_of, key_id)
redis.call('HDEL', records, key_id)
redis.call('ZREM', index, key_id)
redis.call('HDEL', usage, key_id)
return { 'removed' }
