--- End the leases that ran out and wake the accounts that have cooled, at most `limit` of them.
-- Returns how many timers were due.
-- @needs mark
-- @needs rank
-- @needs count_words
-- @needs end_lease
local function handle_due(keys, pool, now, limit)
  local due = redis.call('ZRANGEBYSCORE', pool.timers, '-inf', now, 'LIMIT', 0, limit)
  for _, member in ipairs(due) do
    local what, id = string.match(member, '^(%a+) (.+)$')
    if what == 'cool' then
      mark(keys.statuses, pool, id, 'active', now, 0, '')
      rank(pool, id, count_words(redis.call('HGET', keys.held, id)))
    else
      local account_id = redis.call('HGET', keys.leases, id)
      local left = end_lease(keys.leases, keys.held, pool.timers, id, account_id)
      if redis.call('HEXISTS', keys.statuses, account_id) == 0 then
        rank(pool, account_id, left)
      end
    end
  end
  return #due
end
