--- Return what is to be said to a request that nobody can serve now: in how many ms a timer may help
-- (-1: none is known), how many accounts its pools have, how many of them waiting could bring, and how
-- many leases they have open. The first 64 timers are looked at.
-- @needs load_account
local function outlook(store, request, now)
  local total, usable, open, wanted = 0, 0, 0, {}
  for _, pool in ipairs(request.pools) do
    wanted[pool] = true
    local found = redis.call(
      'HMGET', store.counts, pool .. ' total', pool .. ' deleted', pool .. ' active',
      pool .. ' cooling', pool .. ' exhausted', pool .. ' open'
    )
    for at = 1, 6 do
      found[at] = tonumber(found[at] or 0)
    end
    total = total + found[1] - found[2]
    usable = usable + found[3] + found[4] + found[5]
    open = open + found[6]
  end
  local timers = redis.call('ZRANGE', store.timers, 0, 63, 'WITHSCORES')
  for at = 1, #timers, 2 do
    local what, id = string.match(timers[at], '^(%a+).- ?(%S+)$')
    if what == 'lease' then
      id = cmsgpack.unpack(redis.call('HGET', store.leases, id))[1]
    end
    local account = what ~= 'wait' and load_account(store, id)
    local status = account and wanted[account.pool] and account.status
    if status == 'active' or status == 'cooling' or status == 'exhausted' then
      return math.max(1, tonumber(timers[at + 1]) - now), total, usable, open
    end
  end
  return -1, total, usable, open
end
