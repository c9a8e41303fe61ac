--- Return the record of a response, or nil. One whose worker is gone is lost from here on.
local function find_response(facts, response_id, now)
  local packed = redis.call('HGET', facts, response_id)
  local record = packed and cmsgpack.unpack(packed)
  if not record or record.ends <= now then
    return nil
  end
  if record.state == 'in_progress' and record.lease <= now then
    record.state = 'lost'
    redis.call('HSET', facts, response_id, cmsgpack.pack(record))
  end
  return record
end
