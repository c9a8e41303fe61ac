--- Put an account where it belongs in its pool's ready set for a mode, or take it out.
-- @needs free_units
-- @needs section_of
-- @needs rank_of
local function place(store, id, account, mode, now)
  local ready, tags = store.ready[account.pool], account.tags or {}
  local is_ready = account.status == 'active' and not account.full
  local free = is_ready and free_units(account, mode, now) or 0
  local rank = free > 0 and rank_of(store, account, mode, free)
  for at = 0, #tags do
    local tag = at == 0 and 0 or tags[at]
    local member = (tag == 0 and mode or mode .. '#' .. tag) .. ' ' .. id
    if not rank then
      redis.call('ZREM', ready, member)
    elseif type(tag) == 'number' then -- a name instead: there were too many tags to number it
      redis.call('ZADD', ready, string.format('%.0f', section_of(store, mode, tag) + rank), member)
    end
  end
end
