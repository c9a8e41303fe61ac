--- Admit a call: take what it needs of all limits of its client key, or nothing.
-- Its rules were checked with the record that the caller has: where that is not the one there is, nothing is taken, and
-- the caller checks anew. Calls whose worker died are given back first, so nothing depends on a sweeper. A refusal says
-- in how many ms the call would be admitted if nothing else came, -1: never.
--
-- @key  records  HASH     client key id -> record, JSON
-- @arg  request  bytes    AdmitRequest of store/admissions.py, msgpack
-- @arg  record   bytes    the record that the call was checked with
-- @arg  now_ms   integer  ms since epoch; 0 = server clock
-- @reply admitted  use:bytes  (msgpack: see include/tell_use.lua)
-- @reply refused   limit:string which:string wait_ms:integer use:bytes
-- @reply edited    record:bytes  (as it is now)
-- @reply unknown   (the key was revoked meanwhile)
-- @repeatable a call id that is open is admitted already
-- @cost  O(1): at most 61 cells, and 16 calls that are given back
-- @include open_calls
-- @include clock
-- @include period_ends
-- @include load_usage
-- @include charge
-- @include end_call
-- @include end_due_calls
-- @include judge_minute
-- @include judge_budgets
-- @include tell_use
local store, records = open_calls(), KEYS[4]
local request, now = cmsgpack.unpack(ARGV[1]), clock(ARGV[3])

end_due_calls(store, now, 16)
local record = redis.call('HGET', records, request.key_id)
if not record then
  return { 'unknown' }
end
local usage = load_usage(store, request.key_id, now)
if redis.call('HEXISTS', store.calls, request.call_id) == 1 then
  return { 'admitted', cmsgpack.pack(tell_use(usage, now)) }
end
if record ~= ARGV[2] then
  return { 'edited', record }
end

local is_busy = request.concurrency > 0 and usage.open >= request.concurrency
local budget_wait, which = judge_budgets(usage, request, now)
local longest, limit = 0, ''
for _, told in ipairs({
  { judge_minute(usage.cells, 1, request.rpm, 1, now), 'requests_per_minute' },
  { judge_minute(usage.cells, 2, request.tpm, request.tokens, now), 'tokens_per_minute' },
  { is_busy and 1000 or 0, 'concurrency' }, -- when a call ends, nobody knows
  { budget_wait, 'budget' },
}) do
  if longest >= 0 and (told[1] < 0 or told[1] > longest) then
    longest, limit = told[1], told[2]
  end
end
if longest ~= 0 then
  local held_up = limit == 'budget' and which or ''
  return { 'refused', limit, held_up, longest, cmsgpack.pack(tell_use(usage, now)) }
end

charge(usage, now, 1, request.tokens, request.units, now)
usage.open = usage.open + 1
redis.call('HSET', store.usage, request.key_id, cmsgpack.pack(usage))
local call = cmsgpack.pack({ request.key_id, now, request.tokens, request.units })
redis.call('HSET', store.calls, request.call_id, call)
redis.call('ZADD', store.ends, string.format('%.0f', now + request.ttl_ms), request.call_id)
return { 'admitted', cmsgpack.pack(tell_use(usage, now)) }
