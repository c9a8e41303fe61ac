--- Cancel a video job: at once when the upstream was not asked or nobody works on it, else by who does.
--
-- @arg  job_id  string   the job
-- @arg  owner   string   client key id
-- @arg  now_ms  integer  ms since epoch; 0 = server clock
-- @reply cancelled   (it has ended just now)
-- @reply cancelling  (who works on it learns of it at its next sign of life)
-- @reply ended       (it had ended before; nothing changed)
-- @reply unknown
-- @repeatable a second call finds it cancelled, or being so
-- @cost  O(log n) in the number of jobs
-- @include clock
-- @include period_ends
-- @include load_usage
-- @include charge
-- @include open_videos
-- @include find_video
-- @include keep_video
-- @include drop_video
-- @include repay_video
-- @include end_video
local store, job_id, now = open_videos(), ARGV[1], clock(ARGV[3])

local record = find_video(store, job_id)
if not record or record.owner ~= ARGV[2] or record.gone == 1 then
  return { 'unknown' }
elseif record.ended > 0 then
  return { 'ended' }
elseif record.state == 'accepted' or record.claim <= now then
  end_video(store, job_id, record, 'cancelled', now)
  return { 'cancelled' }
end
record.stop = 1
keep_video(store, job_id, record)
return { 'cancelling' }
