--- Take an object out of the index. Whoever does so removes its bytes; the leader does if he dies.
local function unindex_media(keys, media_id, kept, now)
  redis.call('HDEL', keys.index, media_id)
  for _, set in ipairs({ keys.used, keys.created, keys.seen }) do
    redis.call('ZREM', set, media_id)
  end
  redis.call('HINCRBY', keys.counts, 'bytes', 0 - kept.size)
  redis.call('ZADD', keys.ends, string.format('%.0f', now + 60000), kept.place)
end
