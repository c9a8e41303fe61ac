--- Return the keys of what client keys use, by name. Include it before all that have keys of their own.
-- The use of a key: "cells", three numbers for each second in which calls were admitted (that second, requests,
-- tokens; the oldest first), "open" (calls that have not ended), and "day", "week", "month" (end of the period in ms,
-- requests, tokens, units). A call: its key, when it was admitted in ms, tokens and units reserved.
--
-- @key  usage      HASH  client key id -> its use, msgpack
-- @key  calls      HASH  call id -> call that has not ended, msgpack
-- @key  call_ends  ZSET  call id -> when it is given back unless it is renewed, ms since epoch
local function open_calls()
  return { usage = KEYS[1], calls = KEYS[2], ends = KEYS[3] }
end
