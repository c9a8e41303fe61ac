--- Write the record of a video job back.
local function keep_video(store, job_id, record)
  redis.call('HSET', store.jobs, job_id, cmsgpack.pack(record))
end
