--- Put an object in the index.
local function index_media(keys, media_id, kept, now)
  local packed = cmsgpack.pack({ kept.place, kept.media_type, kept.size, kept.created })
  local created = string.format('%.0f', kept.created)
  redis.call('HSET', keys.index, media_id, packed)
  redis.call('ZADD', keys.used, created, media_id)
  redis.call('ZADD', keys.created, created, media_id)
  redis.call('ZADD', keys.seen, string.format('%.0f', now), media_id)
  redis.call('HINCRBY', keys.counts, 'bytes', kept.size)
end
