--- Write an account back.
local function keep_account(store, id, account)
  redis.call('HSET', store.accounts, id, cmsgpack.pack(account))
end
