--- Let open calls live on: what their worker does so long as it lives.
-- A call that has run out is not revived, whether or not anything has noticed yet.
--
-- @arg  ttl_ms    integer  lifetime from now on
-- @arg  now_ms    integer  ms since epoch; 0 = server clock
-- @args call_ids  string   the calls
-- @reply renewed  gone:bytes  (msgpack: those of the calls that have ended)
-- @repeatable the calls end a lifetime after the last time
-- @cost  O(log n) in the number of open calls, for each that is named
-- @include open_calls
-- @include clock
local store, now = open_calls(), clock(ARGV[2])
local ends, gone = string.format('%.0f', now + ARGV[1]), {}

for place = 3, #ARGV do
  local ends_at_ms = redis.call('ZSCORE', store.ends, ARGV[place])
  if ends_at_ms and tonumber(ends_at_ms) > now then
    redis.call('ZADD', store.ends, ends, ARGV[place])
  else
    gone[#gone + 1] = ARGV[place]
  end
end
return { 'renewed', cmsgpack.pack(gone) }
