--- Return the record of a video job, or nil.
local function find_video(store, job_id)
  local packed = redis.call('HGET', store.jobs, job_id)
  return packed and cmsgpack.unpack(packed) or nil
end
