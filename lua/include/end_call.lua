--- End a call: what was reserved for it becomes what it took, all 0 where it is given back.
-- Returns whether it was open, for a call ends once; and the use of its key, unless that was revoked meanwhile.
-- @needs load_usage
-- @needs charge
local function end_call(store, call_id, requests, tokens, units, now)
  local packed = redis.call('HGET', store.calls, call_id)
  if not packed then
    return false
  end
  redis.call('HDEL', store.calls, call_id)
  redis.call('ZREM', store.ends, call_id)
  local key_id, at, reserved_tokens, reserved_units = unpack(cmsgpack.unpack(packed))
  local usage, is_kept = load_usage(store, key_id, now)
  if not is_kept then
    return true
  end
  usage.open = math.max(0, usage.open - 1)
  charge(usage, at, requests - 1, tokens - reserved_tokens, units - reserved_units, now)
  redis.call('HSET', store.usage, key_id, cmsgpack.pack(usage))
  return true, usage
end
