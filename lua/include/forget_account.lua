--- Forget an account. Its open leases run on; they end without it.
-- @needs place_all
local function forget_account(store, id, account, now)
  redis.call('HINCRBY', store.counts, account.pool .. ' ' .. account.status, -1)
  redis.call('HINCRBY', store.counts, account.pool .. ' total', -1)
  account.status = 'deleted'
  place_all(store, id, account, now)
  redis.call('ZREM', store.timers, 'wake ' .. id)
  for mode in pairs(account.windows) do
    redis.call('ZREM', store.timers, 'window ' .. mode .. ' ' .. id, 'rest ' .. mode .. ' ' .. id)
  end
  redis.call('ZREM', store.timers, 'window credits ' .. id)
  redis.call('ZREM', store.index, id)
  redis.call('ZREM', store.refresh, id)
  redis.call('HDEL', store.secrets, id)
  redis.call('HDEL', store.accounts, id)
end
