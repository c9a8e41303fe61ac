--- Renew the claim on a video job and tell how far it is; learn whether it is still wanted.
--
-- @arg  job_id   string   the job
-- @arg  fence    integer  number of the claim
-- @arg  percent  integer  0 to 100; less than before changes nothing
-- @arg  ttl_ms   integer  lifetime of the claim from now on
-- @arg  now_ms   integer  ms since epoch; 0 = server clock
-- @reply going
-- @reply cancelled  (stop, then end it; the claim is renewed)
-- @reply lost       (it has ended, or another works on it: stop; nothing changed)
-- @repeatable the claim ends a lifetime after the last of the calls
-- @cost  O(log n) in the number of jobs
-- @include clock
-- @include open_videos
-- @include find_video
-- @include keep_video
-- @include held_video
local store, job_id, now = open_videos(), ARGV[1], clock(ARGV[5])

local record = held_video(store, job_id, ARGV[2])
if not record or record.ended > 0 then
  return { 'lost' }
end
record.claim = now + ARGV[4]
record.percent = math.max(record.percent, tonumber(ARGV[3]))
keep_video(store, job_id, record)
redis.call('ZADD', store.due, string.format('%.0f', record.claim), job_id)
return { record.stop == 1 and 'cancelled' or 'going' }
