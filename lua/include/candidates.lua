--- Return the accounts to look at, best first: at most 16 more than a request excludes.
-- `max_quota` and `lru` take them as they stand in the section. `random` draws 8 of them, `weighted`
-- too, each with a chance in proportion to its free units for each open request.
-- @needs load_account
-- @needs free_units
-- @needs section_of
local function candidates(store, ready, mode, tag, request, strategy, now)
  local least = section_of(store, mode, tag)
  local first = string.format('%.0f', least)
  -- Whoever needs 4 units or more does not look where fewer are left.
  local last = string.format('(%.0f', least + (request.units < 4 and 4398046511104 or 2199023255552))
  local most, members, ids = 16 + #request.exclude, {}, {}
  local is_drawn = strategy == 'random' or strategy == 'weighted'
  local count = is_drawn and redis.call('ZCOUNT', ready, first, last) or 0
  if count > most then
    local before = redis.call('ZCOUNT', ready, '-inf', '(' .. first)
    for at = 1, 8 do
      local rank = before + math.random(0, count - 1)
      members[at] = redis.call('ZRANGE', ready, rank, rank)[1]
    end
  else
    members = redis.call('ZRANGE', ready, first, last, 'BYSCORE', 'LIMIT', 0, most)
  end
  local chances = {}
  for at, member in ipairs(members) do
    local id, weight = string.match(member, ' (.+)$'), 1
    if strategy == 'weighted' then
      local account = load_account(store, id)
      weight = math.min(free_units(account, mode, now), 1000000) / (1 + (account.open or 0))
    end
    -- The least of exponential times is each one's with a chance in proportion to its weight.
    ids[at], chances[id] = id, is_drawn and -math.log(1 - math.random()) / math.max(weight, 0.001)
  end
  if is_drawn then
    table.sort(ids, function(one, other) return chances[one] < chances[other] end)
  end
  return ids
end
