--- Note a use and return the reply for what is kept. A use within a minute of another is not noted,
-- nor any while the server takes no writes: its disk is full, and what is kept can still be read.
local function touch_media(word, keys, media_id, kept, now)
  local used = tonumber(redis.call('ZSCORE', keys.used, media_id))
  if now - used >= 60000 then
    local noted = redis.pcall('ZADD', keys.used, string.format('%.0f', now), media_id)
    used = type(noted) == 'number' and now or used
  end
  return { word, kept.place, kept.media_type, kept.size, kept.created, used }
end
