--- Put an account where it belongs in its pool's ready set for some modes, the keys of `modes`, or take it out.
-- Two commands for all of them: a release places an account in every mode and tag that it has.
-- @needs free_units
-- @needs section_of
-- @needs rank_of
local function place(store, id, account, modes, now)
  local ready, tags = store.ready[account.pool], account.tags or {}
  local is_ready = account.status == 'active' and not account.full
  local inside, outside = {}, {}
  for mode in pairs(modes) do
    local free = is_ready and free_units(account, mode, now) or 0
    local rank = free > 0 and rank_of(store, account, mode, free)
    for at = 0, #tags do
      local tag = at == 0 and 0 or tags[at]
      local member = (tag == 0 and mode or mode .. '#' .. tag) .. ' ' .. id
      if not rank then
        outside[#outside + 1] = member
      elseif type(tag) == 'number' then -- a name instead: there were too many tags to number it
        inside[#inside + 1] = string.format('%.0f', section_of(store, mode, tag) + rank)
        inside[#inside + 1] = member
      end
    end
  end
  if #inside > 0 then
    redis.call('ZADD', ready, unpack(inside))
  end
  if #outside > 0 then
    redis.call('ZREM', ready, unpack(outside))
  end
end
