--- Remember the upstream's user id of an account.
--
-- @key  pools       HASH    account id -> pool
-- @key  user_ids    HASH    account id -> the upstream's user id
-- @arg  account_id  string  the account
-- @arg  user_id     string  the upstream's user id
-- @reply stored
-- @reply unknown
-- @repeatable it stores the same value again
-- @cost  O(1)
local pools, user_ids = KEYS[1], KEYS[2]
local account_id = ARGV[1]

if redis.call('HEXISTS', pools, account_id) == 0 then
  return { 'unknown' }
end
redis.call('HSET', user_ids, account_id, ARGV[2])
return { 'stored' }
