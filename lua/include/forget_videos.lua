--- Forget some of the video jobs whose time is over.
-- @needs find_video
-- @needs drop_video
local function forget_videos(store, now)
  for _, job_id in ipairs(redis.call('ZRANGEBYSCORE', store.ends, '-inf', now, 'LIMIT', 0, 64)) do
    local record = find_video(store, job_id)
    if record then
      drop_video(store, job_id, record)
    else
      redis.call('ZREM', store.ends, job_id)
    end
  end
end
