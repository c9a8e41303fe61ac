--- Keep settings as a new revision, if nobody has changed them since the one they were made from.
--
-- @key  revisions  HASH     "current" -> the newest one, "digest" -> SHA-1 of its document, revision -> change, msgpack
-- @key  documents  HASH     revision -> all settings, sealed
-- @arg  expected   integer  the revision they were made from; 0 = none yet
-- @arg  document   bytes    all settings, sealed; no two are alike
-- @arg  change     bytes    who changed which keys, JSON
-- @arg  keep       integer  how many revisions are kept
-- @arg  now_ms     integer  ms since epoch; 0 = server clock
-- @reply saved     revision:integer
-- @reply conflict  revision:integer  (the newest one; nothing changed)
-- @repeatable the same document is found as the revision that it became
-- @cost  O(1)
-- @include clock
local revisions, documents = KEYS[1], KEYS[2]
local expected, document, now = tonumber(ARGV[1]), ARGV[2], clock(ARGV[5])

local current = tonumber(redis.call('HGET', revisions, 'current')) or 0
if current ~= expected then
  if redis.call('HGET', documents, current) == document then
    return { 'saved', current }
  end
  return { 'conflict', current }
end
local revision = current + 1
local change = cmsgpack.pack({ revision, now, ARGV[3] })
redis.call('HSET', documents, revision, document)
redis.call('HSET', revisions, revision, change, 'current', revision,
  'digest', redis.sha1hex(document))
local oldest = revision - ARGV[4]
redis.call('HDEL', documents, oldest)
redis.call('HDEL', revisions, oldest)
return { 'saved', revision }
