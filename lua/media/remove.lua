--- Take one object out of the index.
--
-- @arg  media_id  string   the object
-- @arg  place     string   only if it is there; "": wherever it is
-- @arg  now_ms    integer  ms since epoch; 0 = server clock
-- @reply removed  place:string  (remove its bytes)
-- @reply unknown  (nothing changed)
-- @cost  O(log n) in the number of objects
-- @include clock
-- @include open_media
-- @include find_media
-- @include unindex_media
local keys = open_media()
local media_id, place, now = ARGV[1], ARGV[2], clock(ARGV[3])

local kept = find_media(keys, media_id)
if not kept or (place ~= '' and place ~= kept.place) then
  return { 'unknown' }
end
unindex_media(keys, media_id, kept, now)
return { 'removed', kept.place }
