--- Admit a call: take what it needs of all limits of its client key, or nothing.
-- Calls whose worker died are given back first, so nothing depends on a sweeper. A refusal says what is left too,
-- and in how many ms the call would be admitted if nothing else came, -1: never.
--
-- @key  records  HASH     client key id -> record, JSON
-- @arg  request  bytes    AdmitRequest of store/admissions.py, msgpack
-- @arg  now_ms   integer  ms since epoch; 0 = server clock
-- @reply admitted  left:bytes  (msgpack: requests, ms until all are left, tokens, ms until all are left)
-- @reply refused   limit:string which:string wait_ms:integer left:bytes
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
-- @include look_at_minute
-- @include judge_budgets
local store, records = open_calls(), KEYS[4]
local request, now = cmsgpack.unpack(ARGV[1]), clock(ARGV[2])

end_due_calls(store, now, 16)
if redis.call('HEXISTS', records, request.key_id) == 0 then
  return { 'unknown' }
end
local usage = load_usage(store, request.key_id, now)

local function look(need, tokens)
  local left, requests_ms, wait = look_at_minute(usage.cells, 1, request.rpm, need, now)
  local tokens_left, tokens_ms, tokens_wait =
    look_at_minute(usage.cells, 2, request.tpm, tokens, now)
  return cmsgpack.pack({ left, requests_ms, tokens_left, tokens_ms }), wait, tokens_wait
end

if redis.call('HEXISTS', store.calls, request.call_id) == 1 then
  return { 'admitted', (look(0, 0)) }
end
local state, requests_wait, tokens_wait = look(1, request.tokens)
local is_busy = request.concurrency > 0 and usage.open >= request.concurrency
local budget_wait, which = judge_budgets(usage, request, now)
local longest, limit = 0, ''
for _, told in ipairs({
  { requests_wait, 'requests_per_minute' },
  { tokens_wait, 'tokens_per_minute' },
  { is_busy and 1000 or 0, 'concurrency' }, -- when a call ends, nobody knows
  { budget_wait, 'budget' },
}) do
  if longest >= 0 and (told[1] < 0 or told[1] > longest) then
    longest, limit = told[1], told[2]
  end
end
if longest ~= 0 then
  return { 'refused', limit, limit == 'budget' and which or '', longest, state }
end

charge(usage, now, 1, request.tokens, request.units, now)
usage.open = usage.open + 1
redis.call('HSET', store.usage, request.key_id, cmsgpack.pack(usage))
local call = cmsgpack.pack({ request.key_id, now, request.tokens, request.units })
redis.call('HSET', store.calls, request.call_id, call)
redis.call('ZADD', store.ends, string.format('%.0f', now + request.ttl_ms), request.call_id)
return { 'admitted', (look(0, 0)) }
