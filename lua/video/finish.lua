--- End a video job that the caller works on.
--
-- @arg  job_id   string   the job
-- @arg  fence    integer  number of the claim
-- @arg  state    string   done, failed, cancelled or unknown
-- @arg  work     bytes    what is known of the making, sealed
-- @arg  media    string   the kept video, or ""
-- @arg  code     string   why it failed, one word, or ""
-- @arg  message  string   why, in words that may be shown, or ""
-- @arg  now_ms   integer  ms since epoch; 0 = server clock
-- @reply finished
-- @reply illegal   (it cannot end so from where it stands; nothing changed)
-- @reply lost      (it has ended otherwise, or another works on it; nothing changed)
-- @repeatable the same end is known again
-- @cost  O(log n) in the number of jobs
-- @include clock
-- @include period_ends
-- @include load_usage
-- @include charge
-- @include open_videos
-- @include find_video
-- @include keep_video
-- @include held_video
-- @include drop_video
-- @include repay_video
-- @include end_video
local store, job_id, state = open_videos(), ARGV[1], ARGV[3]
local FROM = {
  done = { storing = true },
  unknown = { submitting = true, submitted = true, polling = true },
}

local record = held_video(store, job_id, ARGV[2])
if not record then
  return { 'lost' }
elseif record.ended > 0 then
  return { record.state == state and 'finished' or 'lost' }
elseif FROM[state] and not FROM[state][record.state] then
  return { 'illegal' }
elseif state == 'cancelled' and record.stop == 0 then
  return { 'illegal' }
end
record.media, record.code, record.message = ARGV[5], ARGV[6], ARGV[7]
if state == 'done' then
  record.percent = 100
end
redis.call('HSET', store.jobs, job_id .. ' work', ARGV[4])
end_video(store, job_id, record, state, clock(ARGV[8]))
return { 'finished' }
