--- Find the settings of a revision; one that is current stays so while it is read.
--
-- @key  revisions  HASH     "current" -> the newest one, "digest" -> SHA-1 of its document, revision -> change, msgpack
-- @key  documents  HASH     revision -> all settings, sealed
-- @arg  revision   integer  0 = the newest one
-- @reply found    revision:integer document:bytes
-- @reply unknown  (there is none, or it is not kept any more)
-- @repeatable it only reads
-- @cost  O(1)
local revisions, documents, revision = KEYS[1], KEYS[2], tonumber(ARGV[1])

if revision == 0 then
  revision = tonumber(redis.call('HGET', revisions, 'current')) or 0
end
local document = redis.call('HGET', documents, revision)
if not document then
  return { 'unknown' }
end
return { 'found', revision, document }
