--- Forget a response. Its events, if it has any, end by themselves.
local function drop_response(facts, contents, ends, response_id)
  local packed = redis.call('HGET', facts, response_id)
  if packed then
    redis.call('HINCRBY', facts, 'bytes', -cmsgpack.unpack(packed).size)
    redis.call('HDEL', facts, response_id)
    redis.call('HDEL', contents, 'response ' .. response_id, 'input ' .. response_id)
  end
  redis.call('ZREM', ends, response_id)
end
