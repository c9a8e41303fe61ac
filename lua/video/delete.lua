--- Forget a video job. One that somebody works on is cancelled, and forgotten when it has ended.
--
-- @arg  job_id  string   the job
-- @arg  owner   string   client key id
-- @arg  now_ms  integer  ms since epoch; 0 = server clock
-- @reply deleted
-- @reply deleting  (its owner sees it no more)
-- @reply unknown
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
  drop_video(store, job_id, record)
  return { 'deleted' }
end
record.gone = 1
if record.state == 'accepted' or record.claim <= now then
  end_video(store, job_id, record, 'cancelled', now)
  return { 'deleted' }
end
record.stop = 1
keep_video(store, job_id, record)
redis.call('ZREM', store.index, record.owner .. ' ' .. record.place .. ' ' .. job_id)
return { 'deleting' }
