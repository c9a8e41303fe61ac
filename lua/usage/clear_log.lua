--- Forget all requests of the log. The sums stay.
--
-- @key  log    STREAM  finished requests: "id" and "record", msgpack; capped
-- @key  index  HASH    request id -> its place in the log
-- @reply cleared  count:integer
-- @repeatable what is forgotten stays so
-- @cost  O(1), freed in the background
local log, index = KEYS[1], KEYS[2]
local count = redis.call('XLEN', log)

redis.call('UNLINK', log, index)
return { 'cleared', count }
