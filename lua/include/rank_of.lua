--- Return where an account stands within a section: last use, and under `max_quota` a level before it,
-- a 32nd of the window's free share for each open request. Where nobody knows how many a full window has,
-- the share is one of 32 units; where nobody knows what is left, there is no level. Who has fewer than 4
-- units left comes last.
local function rank_of(store, account, mode, free)
  local rank = (free < 4 and 2199023255552 or 0) + (account.seq or 0) % 68719476736
  store.strategy = store.strategy or redis.call('HGET', store.meta, 'strategy') or 'max_quota'
  if store.strategy ~= 'max_quota' or free == math.huge then
    return rank
  end
  local window = account.windows[mode]
  local share = math.min(1, free / (window.once and 32 or window.total))
  return rank + (31 - math.floor(31 * share / (1 + (account.open or 0)))) * 68719476736
end
