--- Return the number of a tag, a new one if need be. From the 256th on a tag is only a name: it is shown,
-- but no request can ask for it.
local function number_of_tag(store, name)
  local number = redis.call('HGET', store.meta, 'tag ' .. name)
  if number then
    return tonumber(number)
  end
  number = redis.call('HINCRBY', store.meta, 'tags', 1)
  if number > 255 then
    redis.call('HINCRBY', store.meta, 'tags', -1)
    return name
  end
  redis.call('HSET', store.meta, 'tag ' .. name, number)
  return number
end
