--- Handle what is due, at most `limit` of it, so that nothing waits for a sweeper: leases that ran out
-- end, what cooled is tried again, windows fill, lines are left. Returns how many were due.
-- @needs load_account
-- @needs end_lease
-- @needs mark
-- @needs fill_window
-- @needs put_back
-- @needs forget_account
-- @needs drop_waiter
local function handle_due(store, now, limit)
  local due = redis.call('ZRANGEBYSCORE', store.timers, '-inf', now, 'LIMIT', 0, limit)
  if #due == 0 then
    return 0
  end
  local handlers = {}
  function handlers.wait(lease_id)
    local packed = redis.call('HGET', store.waiters, lease_id)
    if packed then
      drop_waiter(store, lease_id, cmsgpack.unpack(packed))
    end
  end
  function handlers.lease(lease_id)
    local lease = cmsgpack.unpack(redis.call('HGET', store.leases, lease_id))
    return lease[1], end_lease(store, lease_id, lease, false)
  end
  function handlers.wake(id)
    local account = load_account(store, id)
    if account.status == 'deleted' then
      forget_account(store, id, account, now)
      return
    end
    mark(store, id, account, 'active', now)
    account.trial = true -- half open: one request at a time until one goes well
    return id, account
  end
  function handlers.window(rest)
    local mode, id = string.match(rest, '^(%S+) (.+)$')
    local account = load_account(store, id)
    if mode == 'credits' then
      account.credits = nil
    else
      fill_window(account.windows[mode])
    end
    return id, account
  end
  function handlers.rest(rest)
    local mode, id = string.match(rest, '^(%S+) (.+)$')
    local account = load_account(store, id)
    account.windows[mode].rest = nil
    return id, account
  end

  for _, member in ipairs(due) do
    local what, rest = string.match(member, '^(%a+) (.+)$')
    if redis.call('ZREM', store.timers, member) == 1 then -- else one before has ended it
      local id, account, mode = handlers[what](rest)
      if account then
        put_back(store, id, account, now, mode)
      end
    end
  end
  return #due
end
