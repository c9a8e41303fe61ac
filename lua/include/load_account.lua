--- Return an account, or nil when there is none.
local function load_account(store, id)
  local packed = redis.call('HGET', store.accounts, id)
  return packed and cmsgpack.unpack(packed) or nil
end
