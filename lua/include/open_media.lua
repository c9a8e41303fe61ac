--- Return the keys of one kind of kept media by name.
--
-- @key  index    HASH  media id -> {place, media type, size, made at, ms since epoch}, msgpack
-- @key  used     ZSET  media id -> last use, ms since epoch
-- @key  created  ZSET  media id -> when it was kept, ms since epoch
-- @key  seen     ZSET  media id -> when its bytes were last seen, ms since epoch
-- @key  counts   HASH  "bytes" of all in the index, "reserved" bytes of all that come
-- @key  coming   HASH  place -> bytes of an object that is being written
-- @key  ends     ZSET  place -> when its object is removed unless it is kept, ms since epoch
local function open_media()
  return {
    index = KEYS[1], used = KEYS[2], created = KEYS[3], seen = KEYS[4], counts = KEYS[5],
    coming = KEYS[6], ends = KEYS[7],
  }
end
