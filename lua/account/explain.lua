--- Tell who would serve a request now, as an acquire would choose; nothing changes.
--
-- @key  sessions      HASH     session -> account id
-- @key  session_ends  ZSET     session -> when it is forgotten, ms since epoch
-- @arg  request       bytes    AcquireRequest of store/account_requests.py, msgpack
-- @arg  seed          integer  for the strategies that draw
-- @arg  now_ms        integer  ms since epoch; 0 = server clock
-- @reply chosen      account_id:string pool:string mode:string is_bound:integer
-- @reply none_ready  retry_after_ms:integer total:integer usable:integer  (-1: no timer helps)
-- @repeatable it only reads
-- @cost  O(log n) in the number of accounts
-- @include clock
-- @include open_pools
-- @include load_account
-- @include keep_account
-- @include free_units
-- @include section_of
-- @include rank_of
-- @include place
-- @include place_all
-- @include fits
-- @include draw
-- @include candidates
-- @include choose
-- @include follow_session
-- @include find_account
-- @include find_bound
-- @include number_tags
-- @include outlook
local store, sessions, session_ends = open_pools(2), KEYS[13], KEYS[14]
local request, now = cmsgpack.unpack(ARGV[1]), clock(ARGV[3])
math.randomseed(tonumber(ARGV[2]))

request.is_dry = true
number_tags(store, request)
local bound = find_bound(sessions, session_ends, request, now)
local id, account, mode = find_account(store, request, bound, now)
if id then
  return { 'chosen', id, account.pool, mode, bound == id and 1 or 0 }
end
local first_ms, total, usable = outlook(store, request, now)
return { 'none_ready', first_ms, total, usable }
