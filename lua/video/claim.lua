--- Give a video job that nobody works on to the caller, the one that waits for longest first.
-- One that cannot go on is ended instead: cancelled, or unknown where the upstream may be making it.
--
-- @arg  ttl_ms  integer  lifetime of the claim, unless it is renewed
-- @arg  now_ms  integer  ms since epoch; 0 = server clock
-- @reply claimed  job_id:string record:bytes question:bytes work:bytes
-- @reply ended    job_id:string question:bytes  (ask again)
-- @reply none
-- @cost  O(log n) in the number of jobs; up to 64 are forgotten
-- @include clock
-- @include period_ends
-- @include load_usage
-- @include charge
-- @include open_videos
-- @include find_video
-- @include keep_video
-- @include drop_video
-- @include forget_videos
-- @include repay_video
-- @include end_video
local store, now = open_videos(), clock(ARGV[2])

local function ending_of(record)
  if record.stop == 1 then
    return 'cancelled'
  end
  local may_be_running = record.state == 'submitting' or record.state == 'submitted'
  if may_be_running and record.found == 0 then
    return 'unknown'
  end
end

forget_videos(store, now)
local job_id = redis.call('ZRANGEBYSCORE', store.due, '-inf', now, 'LIMIT', 0, 1)[1]
if not job_id then
  return { 'none' }
end
local record = find_video(store, job_id)
if not record then
  redis.call('ZREM', store.due, job_id) -- its key was lost: this one must not stop all others
  return { 'none' }
end
local question = redis.call('HGET', store.jobs, job_id .. ' question')
local ending = ending_of(record)
if ending then
  end_video(store, job_id, record, ending, now)
  return { 'ended', job_id, question }
end
record.fence, record.claim = record.fence + 1, now + ARGV[1]
if record.started == 0 then
  record.started = now
end
keep_video(store, job_id, record)
redis.call('ZADD', store.due, string.format('%.0f', record.claim), job_id)
local work = redis.call('HGET', store.jobs, job_id .. ' work') or ''
return { 'claimed', job_id, cmsgpack.pack(record), question, work }
