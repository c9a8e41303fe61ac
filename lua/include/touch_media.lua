--- Note a use and return the reply for what is kept. A use within a minute of another is not noted.
local function touch_media(word, keys, media_id, kept, now)
  local used = tonumber(redis.call('ZSCORE', keys.used, media_id))
  if now - used >= 60000 then
    used = now
    redis.call('ZADD', keys.used, string.format('%.0f', now), media_id)
  end
  return { word, kept.place, kept.media_type, kept.size, kept.created, used }
end
