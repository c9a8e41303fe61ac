--- Store the first credentials, once for all hosts: the first call wins.
--
-- @key  claims         HASH    "admin_password" -> its hash, "client_key" -> client key id
-- @key  records        HASH    client key id -> record, JSON
-- @key  digests        HASH    SHA-256 of a key -> client key id
-- @key  digest_of      HASH    client key id -> SHA-256 of its key
-- @key  index          ZSET    client key id -> 0, so that lists page by id
-- @arg  password_hash  string  hash of the admin password
-- @arg  key_id         string  the first client key
-- @arg  digest         string  SHA-256 of the whole key, hex
-- @arg  record         bytes   what is known of it, JSON
-- @reply claimed
-- @reply exists
-- @repeatable the same password hash has claimed it already
-- @cost  O(1)
local claims, records, digests, digest_of, index = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local password_hash, key_id, digest = ARGV[1], ARGV[2], ARGV[3]

local present = redis.call('HGET', claims, 'admin_password')
if present then
  return { present == password_hash and 'claimed' or 'exists' }
end
redis.call('HSET', claims, 'admin_password', password_hash, 'client_key', key_id)
redis.call('HSET', records, key_id, ARGV[4])
redis.call('HSET', digests, digest, key_id)
redis.call('HSET', digest_of, key_id, digest)
redis.call('ZADD', index, 0, key_id)
return { 'claimed' }
