--- Change what the operator decides of an account: its tags, its own concurrency limit, its pool.
--
-- @arg  account_id  string   the account
-- @arg  changes     bytes    AccountEdit of store/account_requests.py, msgpack; what is absent stays
-- @arg  now_ms      integer  ms since epoch; 0 = server clock
-- @reply changed  before:string
-- @reply unknown  (or it is deleted)
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
-- @include number_of_tag
-- @include move_pool
local store = open_pools(0)
local id, changes, now = ARGV[1], cmsgpack.unpack(ARGV[2]), clock(ARGV[3])

local account = load_account(store, id)
if not account or account.status == 'deleted' then
  return { 'unknown' }
end
local before = account.status

local function retag(wanted, unwanted)
  account.status = 'deleted'
  place_all(store, id, account, now) -- out of the sections of tags that it loses
  account.status = before
  local kept, known = {}, {}
  for _, name in ipairs(unwanted) do
    known[tonumber(redis.call('HGET', store.meta, 'tag ' .. name)) or name] = true
  end
  for _, tag in ipairs(account.tags or {}) do
    if not known[tag] and (not changes.is_all_tags) then
      kept[#kept + 1], known[tag] = tag, true
    end
  end
  for _, name in ipairs(wanted) do
    local tag = not known[name] and number_of_tag(store, name)
    if tag and not known[tag] then
      kept[#kept + 1], known[tag] = tag, true
    end
  end
  account.tags = #kept > 0 and kept or nil
end

if changes.is_all_tags or #changes.add_tags + #changes.remove_tags > 0 then
  retag(changes.add_tags, changes.remove_tags)
end
if changes.limit >= 0 then
  account.limit = changes.limit > 0 and changes.limit or nil
end
if changes.pool ~= '' and changes.pool ~= account.pool then
  move_pool(store, id, account, changes.pool, changes.windows, now)
end
put_back(store, id, account, now)
return { 'changed', before }
