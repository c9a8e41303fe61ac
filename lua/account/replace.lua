--- Let a new session take the place of an account: pool, tags, limit, date, counters and quota go over to
-- the account of that session; the old one is deleted. A disabled one stays disabled, any other is active.
--
-- @arg  account_id  string   the account that is replaced
-- @arg  new_id      string   the id of the new session's account
-- @arg  mask        string   a hint of the new session
-- @arg  secret      bytes    its sealed credentials
-- @arg  keep_ms     integer  how long the old account can be restored; 0 = it is forgotten at once
-- @arg  reason      string   one word for the old account's record
-- @arg  now_ms      integer  ms since epoch; 0 = server clock
-- @reply replaced
-- @reply known      pool:string  (there is an account with the new session; nothing changed)
-- @reply unknown    (or it is deleted)
-- @cost  O(log n) in the number of accounts
-- @include clock
-- @include open_pools
-- @include load_account
-- @include keep_account
-- @include set_timer
-- @include free_units
-- @include section_of
-- @include rank_of
-- @include place
-- @include place_all
-- @include mark
-- @include first_reset
-- @include judge_windows
-- @include drop_waiter
-- @include fits
-- @include grant
-- @include offer
-- @include put_back
-- @include forget_account
local store = open_pools(0)
local id, new_id, keep_ms, reason = ARGV[1], ARGV[2], tonumber(ARGV[5]), ARGV[6]
local now = clock(ARGV[7])

local function succeed(old)
  local new = {
    pool = old.pool, status = 'active', since = now, mask = ARGV[3], made = old.made, windows = {},
    tags = old.tags, limit = old.limit, uses = old.uses, fails = old.fails, used = old.used,
    credits = old.credits, born = redis.call('HINCRBY', store.meta, 'births', 1),
  }
  for mode, window in pairs(old.windows) do
    new.windows[mode] = { -- what is held comes to an end with the old one
      left = window.left, total = window.total, length = window.length, reset = window.reset,
      source = window.source, at = window.at, once = window.once,
    }
    set_timer(store, 'window ' .. mode .. ' ' .. new_id, window.reset)
  end
  set_timer(store, 'window credits ' .. new_id, new.credits and new.credits.reset)
  redis.call('HSET', store.secrets, new_id, ARGV[4])
  redis.call('ZADD', store.index, string.format('%.0f', new.made), new_id)
  redis.call('ZADD', store.refresh, string.format('%.0f', now), new_id)
  redis.call('HINCRBY', store.counts, new.pool .. ' total', 1)
  redis.call('HINCRBY', store.counts, new.pool .. ' active', 1)
  if old.status == 'disabled' then
    mark(store, new_id, new, 'disabled', now, nil, old.reason)
  end
  put_back(store, new_id, new, now)
end

local old = load_account(store, id)
if not old or old.status == 'deleted' then
  return { 'unknown' }
end
if new_id == id then -- the same session with other cookies
  redis.call('HSET', store.secrets, id, ARGV[4])
  return { 'replaced' }
end
local known = load_account(store, new_id)
if known and known.status ~= 'deleted' then
  return { 'known', known.pool }
elseif known then
  forget_account(store, new_id, known, now)
end
succeed(old)
if keep_ms > 0 then
  mark(store, id, old, 'deleted', now, now + keep_ms, reason)
  put_back(store, id, old, now)
else
  forget_account(store, id, old, now)
end
return { 'replaced' }
