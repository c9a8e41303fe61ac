--- Return what is kept under an id, or nil.
local function find_media(keys, media_id)
  local packed = redis.call('HGET', keys.index, media_id)
  if not packed then
    return nil
  end
  local kept = cmsgpack.unpack(packed)
  return { place = kept[1], media_type = kept[2], size = kept[3], created = kept[4] }
end
