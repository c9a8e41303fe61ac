--- Look at what a client key uses of its limits; nothing is taken.
--
-- @arg  key_id   string   the client key
-- @arg  now_ms   integer  ms since epoch; 0 = server clock
-- @reply seen  use:bytes  (msgpack: see include/tell_use.lua)
-- @repeatable it only reads
-- @cost  O(1): at most 61 cells
-- @include open_calls
-- @include clock
-- @include period_ends
-- @include load_usage
-- @include tell_use
local now = clock(ARGV[2])

return { 'seen', cmsgpack.pack(tell_use((load_usage(open_calls(), ARGV[1], now)), now)) }
