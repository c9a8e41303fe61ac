--- Move an account to another pool: its windows become those of `plan` (mode -> window), where they are not
-- there already. Placing it there is the caller's.
-- @needs place_all
local function move_pool(store, id, account, pool, plan, now)
  local status = account.status
  account.status = 'deleted'
  place_all(store, id, account, now) -- out of the old pool's set
  account.status = status
  for _, name in ipairs({ 'total', status }) do
    redis.call('HINCRBY', store.counts, account.pool .. ' ' .. name, -1)
    redis.call('HINCRBY', store.counts, pool .. ' ' .. name, 1)
  end
  for mode in pairs(account.windows) do
    if not plan[mode] then
      redis.call('ZREM', store.timers, 'window ' .. mode .. ' ' .. id, 'rest ' .. mode .. ' ' .. id)
    end
  end
  for mode, window in pairs(plan) do
    -- Numbers that came from the upstream hold for the account, whatever its pool is called.
    local known = account.windows[mode]
    if known and (known.source == 'real' or known.source == 'estimated') then
      plan[mode] = known
    else
      window.held = known and known.held
      window.left = window.total and math.max(0, window.total - (window.held or 0))
      redis.call('ZREM', store.timers, 'window ' .. mode .. ' ' .. id, 'rest ' .. mode .. ' ' .. id)
    end
  end
  account.pool, account.windows = pool, plan
end
