--- Remember the upstream's user id of an account.
--
-- @key  accounts    HASH    account id -> account, msgpack
-- @arg  account_id  string  the account
-- @arg  user_id     string  the upstream's user id
-- @reply stored
-- @reply unknown
-- @repeatable it stores the same value again
-- @cost  O(1)
local accounts, id = KEYS[1], ARGV[1]

local packed = redis.call('HGET', accounts, id)
if not packed then
  return { 'unknown' }
end
local account = cmsgpack.unpack(packed)
account.user = ARGV[2]
redis.call('HSET', accounts, id, cmsgpack.pack(account))
return { 'stored' }
