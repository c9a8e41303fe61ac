--- Return the account that is to serve a request in a mode, and its id; nil when none can.
-- One that proves full leaves the set: a limit was lowered, which touches no account by itself.
-- @needs load_account
-- @needs candidates
-- @needs fits
-- @needs place_all
-- @needs keep_account
local function choose(store, pool, mode, tag, request, now)
  local function first_of(strategy, most)
    local ready = store.ready[pool]
    local ids, loaded = candidates(store, ready, mode, tag, request, strategy, most, now)
    for _, id in ipairs(ids) do
      local account = loaded[id] or load_account(store, id)
      if fits(id, account, mode, request, now) then
        return id, account
      end
      if (account.open or 0) >= (account.limit or request.limit) and not request.is_dry then
        account.full = true
        place_all(store, id, account, now)
        keep_account(store, id, account)
      end
    end
    return nil, nil, #ids > 0
  end
  local excluded = #request.exclude
  local id, account, has_more = first_of(request.strategy, 1 + excluded)
  if has_more then
    -- What was looked at first need not be all there is.
    id, account = first_of('lru', 16 + excluded)
  end
  return id, account
end
