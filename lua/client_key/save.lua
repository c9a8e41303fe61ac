--- Add a client key. A known id or digest changes nothing.
--
-- @key  records    HASH    client key id -> record, JSON
-- @key  digests    HASH    SHA-256 of a key -> client key id
-- @key  digest_of  HASH    client key id -> SHA-256 of its key
-- @key  index      ZSET    client key id -> 0, so that lists page by id
-- @arg  key_id     string  the client key
-- @arg  digest     string  SHA-256 of the whole key, hex
-- @arg  record     bytes   what is known of it, JSON
-- @reply saved
-- @reply known
-- @cost  O(log n) in the number of client keys
local records, digests, digest_of, index = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local key_id, digest = ARGV[1], ARGV[2]

if redis.call('HEXISTS', records, key_id) == 1 or redis.call('HEXISTS', digests, digest) == 1 then
  return { 'known' }
end
redis.call('HSET', records, key_id, ARGV[3])
redis.call('HSET', digests, digest, key_id)
redis.call('HSET', digest_of, key_id, digest)
redis.call('ZADD', index, 0, key_id)
return { 'saved' }
