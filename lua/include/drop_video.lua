--- Forget a video job that has ended.
local function drop_video(store, job_id, record)
  redis.call('HDEL', store.jobs, job_id, job_id .. ' question', job_id .. ' work')
  redis.call('ZREM', store.index, record.owner .. ' ' .. record.place .. ' ' .. job_id)
  redis.call('ZREM', store.ends, job_id)
  local token = record.owner .. ' ' .. record.token
  local kept = redis.call('HGET', store.tokens, token)
  if kept and cmsgpack.unpack(kept).job == job_id then
    redis.call('HDEL', store.tokens, token)
  end
end
