--- Create a video job, unless the same question was asked with the same token before.
-- An owner that has too many loses the oldest one that has ended. A token lives as long as its job.
--
-- @arg  job_id        string   chosen by the caller, unique
-- @arg  owner         string   client key id, without a space
-- @arg  token         string   digest of an Idempotency-Key, or ""
-- @arg  fingerprint   string   of the question
-- @arg  question      bytes    what is asked for, sealed
-- @arg  keep_ms       integer  how long it is kept after its end
-- @arg  token_ms      integer  how long the token is remembered at most
-- @arg  call_id       string   the open call that asks for it and has taken out of budgets, or ""
-- @arg  max_open      integer  jobs of this owner that have not ended
-- @arg  max_kept      integer  jobs of this owner
-- @arg  now_ms        integer  ms since epoch; 0 = server clock
-- @reply created
-- @reply existing     job_id:string  (of this token)
-- @reply reused       (the token was given with another question)
-- @reply busy         (too many have not ended)
-- @repeatable the same id is there already
-- @cost  O(log n) in the number of jobs; O(m) in those of this owner when it has too many
-- @include clock
-- @include open_videos
-- @include find_video
-- @include keep_video
-- @include drop_video
-- @include forget_videos
local store = open_videos()
local job_id, owner, token, now = ARGV[1], ARGV[2], ARGV[3], clock(ARGV[11])
local max_open, max_kept = tonumber(ARGV[9]), tonumber(ARGV[10])
local first, behind = '[' .. owner .. ' ', '(' .. owner .. '!' -- "!" follows the space

local function find_token()
  local packed = redis.call('HGET', store.tokens, owner .. ' ' .. token)
  local kept = packed and cmsgpack.unpack(packed)
  if token == '' or not kept or kept.ends <= now then
    return nil
  end
  local record = find_video(store, kept.job)
  return record and record.gone == 0 and kept or nil
end

local function forget_oldest()
  for _, member in ipairs(redis.call('ZRANGEBYLEX', store.index, first, behind)) do
    local oldest = string.match(member, '[^ ]+$')
    local record = find_video(store, oldest)
    if record.ended > 0 then
      drop_video(store, oldest, record)
      return true
    end
  end
  return false
end

local function find_price()
  local packed = redis.call('HGET', store.calls, ARGV[8])
  if not packed then
    return 0, 0
  end
  local _, taken, _, units = unpack(cmsgpack.unpack(packed))
  return taken, units
end

if find_video(store, job_id) then
  return { 'created' }
end
forget_videos(store, now)
local known = find_token()
if known then
  local is_same = known.fingerprint == ARGV[4]
  return is_same and { 'existing', known.job } or { 'reused' }
end
if tonumber(redis.call('HGET', store.open, owner) or 0) >= max_open then
  return { 'busy' }
end
if redis.call('ZLEXCOUNT', store.index, first, behind) >= max_kept and not forget_oldest() then
  return { 'busy' }
end
local taken, units = find_price()
local place = string.format('%015.0f', now)
keep_video(store, job_id, {
  owner = owner, place = place, state = 'accepted', fence = 0, step = 0, claim = 0, asked = 0,
  found = 0, stop = 0, gone = 0, percent = 0, created = now, started = 0, ended = 0,
  keep = tonumber(ARGV[6]), token = token, media = '', code = '', message = '',
  taken = taken, units = units,
})
redis.call('HSET', store.jobs, job_id .. ' question', ARGV[5])
redis.call('ZADD', store.index, 0, owner .. ' ' .. place .. ' ' .. job_id)
redis.call('ZADD', store.due, string.format('%.0f', now), job_id)
redis.call('HINCRBY', store.open, owner, 1)
if token ~= '' then
  local kept = { job = job_id, fingerprint = ARGV[4], ends = now + ARGV[7] }
  redis.call('HSET', store.tokens, owner .. ' ' .. token, cmsgpack.pack(kept))
end
return { 'created' }
