--- Give the claim on a video job back, so that another process goes on with it at once.
--
-- @arg  job_id  string   the job
-- @arg  fence   integer  number of the claim
-- @arg  now_ms  integer  ms since epoch; 0 = server clock
-- @reply released
-- @reply lost  (it has ended, or another works on it; nothing changed)
-- @repeatable it is free already
-- @cost  O(log n) in the number of jobs
-- @include clock
-- @include open_videos
-- @include find_video
-- @include keep_video
-- @include held_video
local store, job_id, now = open_videos(), ARGV[1], clock(ARGV[3])

local record = held_video(store, job_id, ARGV[2])
if not record or record.ended > 0 then
  return { 'lost' }
end
record.claim = now
keep_video(store, job_id, record)
redis.call('ZADD', store.due, string.format('%.0f', now), job_id)
return { 'released' }
