--- Add cells of usage to those of a bucket. `added` holds each member and its cell, in turns. Members
-- beyond the first 5000 of a bucket count as "(other)".
-- The caller sees to it that no member is twice in `added`.
local function add_usage(bucket, added, ends_ms)
  local members = { '(other)' }
  for n = 1, #added, 2 do
    members[#members + 1] = added[n]
  end
  local kept = redis.call('HMGET', bucket, unpack(members))
  local known = redis.call('HLEN', bucket)
  local size, sums, changed = known, {}, {}
  for n = 2, #members do
    local place = n
    if not kept[n] and size >= 5000 then
      place = 1
    elseif not kept[n] then
      size = size + 1
    end
    local sum = sums[place] or (kept[place] and cmsgpack.unpack(kept[place])) or {}
    for part, number in ipairs(added[2 * n - 2]) do
      sum[part] = (sum[part] or 0) + number
    end
    sums[place] = sum
  end
  for place, sum in pairs(sums) do
    changed[#changed + 1] = members[place]
    changed[#changed + 1] = cmsgpack.pack(sum)
  end
  redis.call('HSET', bucket, unpack(changed))
  if known == 0 then
    redis.call('PEXPIREAT', bucket, string.format('%.0f', ends_ms))
  end
end
