--- Return what is kept under an id; that counts as a use.
--
-- @arg  media_id  string   the object
-- @arg  now_ms    integer  ms since epoch; 0 = server clock
-- @reply found    place:string media_type:string size:integer created_ms:integer used_ms:integer
-- @reply unknown
-- @repeatable a use is noted once a minute
-- @cost  O(log n) in the number of objects
-- @include clock
-- @include open_media
-- @include find_media
-- @include touch_media
local keys = open_media()
local media_id, now = ARGV[1], clock(ARGV[2])

local kept = find_media(keys, media_id)
return kept and touch_media('found', keys, media_id, kept, now) or { 'unknown' }
