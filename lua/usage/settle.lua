--- Settle a batch of finished requests: count them, write them to the log, and end their calls.
-- A batch that is settled already changes nothing, so that one whose reply was lost can be sent again.
-- All of it counts in the hour and day in which it is settled; these are part of the names of the
-- buckets, so a caller whose hour is not the server's is told the right one.
--
-- @key  log         STREAM   finished requests: "id" and "record", msgpack; capped
-- @key  index       HASH     request id -> its place in the log
-- @key  receipt     STRING   number of the last batch of this recorder; expires
-- @keys buckets     HASH,HASH  member -> cell, msgpack, of this hour and this day; by dimension
-- @arg  batch       integer  number of this batch; those of one recorder rise
-- @arg  hour        integer  hours since epoch, as the names of the buckets have it
-- @arg  counts      bytes    msgpack: for each dimension its members and their cells, in turns
-- @arg  calls       bytes    msgpack: id, tokens and units of each call, in turns
-- @arg  max_log     integer  length of the log
-- @arg  hourly_ms   integer  how long an hour is kept after its end
-- @arg  daily_ms    integer  how long a day is kept after its end
-- @arg  now_ms      integer  ms since epoch; 0 = server clock
-- @args requests    bytes    id, and record as msgpack, of each request, in turns
-- @reply settled     uses:bytes  (msgpack: what the key of each call uses then, see include/tell_use.lua, or false)
-- @reply known       (nothing changed)
-- @reply other_hour  hour:integer  (it is this one; nothing changed)
-- @repeatable a batch is settled once
-- @cost  O(n) in the number of requests
-- @include open_calls
-- @include clock
-- @include period_ends
-- @include load_usage
-- @include charge
-- @include end_call
-- @include tell_use
-- @include add_usage
-- @include log_requests
local log, index, receipt = KEYS[4], KEYS[5], KEYS[6]
local now = clock(ARGV[8])
local hour, day = math.floor(now / 3600000), math.floor(now / 86400000)

if hour ~= tonumber(ARGV[2]) then
  return { 'other_hour', hour }
elseif tonumber(redis.call('GET', receipt) or 0) >= tonumber(ARGV[1]) then
  return { 'known' }
end
for dimension, added in ipairs(cmsgpack.unpack(ARGV[3])) do
  local hourly, daily = KEYS[2 * dimension + 5], KEYS[2 * dimension + 6]
  add_usage(hourly, added, (hour + 1) * 3600000 + ARGV[6])
  add_usage(daily, added, (day + 1) * 86400000 + ARGV[7])
end
local store, calls, uses = open_calls(), cmsgpack.unpack(ARGV[4]), {}
for n = 1, #calls, 3 do
  local _, usage = end_call(store, calls[n], 1, calls[n + 1], calls[n + 2], now)
  uses[#uses + 1] = usage and tell_use(usage, now) or false
end
log_requests(log, index, 9, tonumber(ARGV[5]), now)
redis.call('SET', receipt, ARGV[1], 'PX', 3600000)
return { 'settled', cmsgpack.pack(uses) }
