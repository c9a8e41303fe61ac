--- Put an account where it belongs in its pool's ready set for a mode, or take it out.
-- Under `max_quota` a level is a 32nd of the window's free share for each open request.
-- @needs free_units
-- @needs section_of
local function place(store, id, account, mode, now)
  local ready, tags = store.ready[account.pool], account.tags or {}
  local free = account.status == 'active' and not account.full and free_units(account, mode, now) or 0
  local score = 0
  if free > 0 then
    score = (free < 4 and 2199023255552 or 0) + (account.seq or 0) % 68719476736
    store.strategy = store.strategy or redis.call('HGET', store.meta, 'strategy') or 'max_quota'
    if store.strategy == 'max_quota' then
      local share = free < math.huge and math.min(1, free / account.windows[mode].total) or 1
      score = score + (31 - math.floor(31 * share / (1 + (account.open or 0)))) * 68719476736
    end
  end
  for at = 0, #tags do
    local tag = at == 0 and 0 or tags[at]
    local member = (tag == 0 and mode or mode .. '#' .. tag) .. ' ' .. id
    if free <= 0 then
      redis.call('ZREM', ready, member)
    elseif type(tag) == 'number' then -- a name instead: there were too many tags to number it
      redis.call('ZADD', ready, string.format('%.0f', section_of(store, mode, tag) + score), member)
    end
  end
end
