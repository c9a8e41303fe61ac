--- Move a video job to its next state. A part is asked for once, unless the upstream refused it.
--
-- @arg  job_id   string   the job
-- @arg  fence    integer  number of the claim
-- @arg  step     integer  number of this move, one more than that of the last
-- @arg  state    string   the next; "accepted" after "submitting": the upstream refused
-- @arg  part     integer  the part that is asked for, counted from 0, when it is "submitting"
-- @arg  found    integer  1: it can go on without asking anew
-- @arg  work     bytes    what is known of the making, sealed
-- @reply advanced
-- @reply cancelled  (nobody wants it, so the upstream is not asked; nothing changed)
-- @reply illegal    (no such move leads there; nothing changed)
-- @reply lost       (it has ended, or another works on it; nothing changed)
-- @repeatable a move that was made is known by its number
-- @cost  O(1)
-- @include open_videos
-- @include find_video
-- @include keep_video
-- @include held_video
local store, job_id = open_videos(), ARGV[1]
local step, state, part = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local MOVES = {
  accepted = { submitting = true },
  submitting = { accepted = true, submitted = true },
  submitted = { polling = true, submitting = true, storing = true },
  polling = { polling = true, submitting = true, storing = true },
  storing = { storing = true },
}

local record = held_video(store, job_id, ARGV[2])
if not record or record.ended > 0 then
  return { 'lost' }
elseif record.step == step and record.state == state then
  return { 'advanced' }
elseif record.step ~= step - 1 or not MOVES[record.state][state] then
  return { 'illegal' }
elseif state == 'submitting' and record.stop == 1 then
  return { 'cancelled' }
elseif state == 'submitting' and record.asked ~= part then
  return { 'illegal' }
elseif state == 'accepted' and record.asked ~= 1 then
  return { 'illegal' } -- parts that are made stay with their account
end
if state == 'submitting' then
  record.asked = part + 1
elseif state == 'accepted' then
  record.asked = 0
end
record.state, record.step, record.found = state, step, tonumber(ARGV[6])
keep_video(store, job_id, record)
redis.call('HSET', store.jobs, job_id .. ' work', ARGV[7])
return { 'advanced' }
