--- Change what is known of a client key, unless somebody else has changed it meanwhile.
--
-- @key  records  HASH    client key id -> record, JSON
-- @arg  key_id   string  the client key
-- @arg  before   bytes   the record that the change was made from
-- @arg  after    bytes   the record as it shall be
-- @reply edited
-- @reply changed  record:bytes  (as it is now: make the change from it)
-- @reply unknown
-- @cost  O(1)
local records, key_id = KEYS[1], ARGV[1]

local record = redis.call('HGET', records, key_id)
if not record then
  return { 'unknown' }
end
if record ~= ARGV[2] then
  return { 'changed', record }
end
redis.call('HSET', records, key_id, ARGV[3])
return { 'edited' }
