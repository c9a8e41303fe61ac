--- Give back up to `limit` calls whose worker has died; return how many those were.
-- @needs end_call
local function end_due_calls(store, now, limit)
  local due = redis.call('ZRANGEBYSCORE', store.ends, '-inf', now, 'LIMIT', 0, limit)
  for _, call_id in ipairs(due) do
    end_call(store, call_id, 0, 0, 0, now)
  end
  return #due
end
