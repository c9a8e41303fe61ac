--- End a video job in `state`; one that was deleted meanwhile is forgotten at once.
-- @needs repay_video
-- @needs drop_video
-- @needs keep_video
local function end_video(store, job_id, record, state, now)
  record.state, record.ended = state, now
  redis.call('ZREM', store.due, job_id)
  repay_video(store, record, now)
  if redis.call('HINCRBY', store.open, record.owner, -1) <= 0 then
    redis.call('HDEL', store.open, record.owner)
  end
  if record.gone == 1 then
    drop_video(store, job_id, record)
    return
  end
  keep_video(store, job_id, record)
  redis.call('ZADD', store.ends, string.format('%.0f', now + record.keep), job_id)
end
