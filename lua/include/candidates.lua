--- Return the ids of accounts to look at, best first.
-- `max_quota` and `lru` take the first `most` as they stand in the section, `random` draws as many.
-- `weighted` draws four (of a small section it takes all), each with a chance in proportion to its free
-- units for each open request. Neighbours would be cheaper to look at, but who is seldom taken gathers.
-- @needs load_account
-- @needs free_units
-- @needs section_of
local function candidates(store, ready, mode, tag, request, strategy, most, now)
  local least = section_of(store, mode, tag)
  local first = string.format('%.0f', least)
  -- Whoever needs 4 units or more does not look where fewer are left.
  local last = string.format('(%.0f', least + (request.units < 4 and 4398046511104 or 2199023255552))
  local is_weighted = strategy == 'weighted'
  local members, ids, chances = {}, {}, {}
  local count = (is_weighted or strategy == 'random') and redis.call('ZCOUNT', ready, first, last) or 0
  if count > (is_weighted and 16 or 0) then
    local before = redis.call('ZCOUNT', ready, '-inf', '(' .. first)
    for at = 1, is_weighted and 4 or most do
      local rank = before + math.random(0, count - 1)
      members[at] = redis.call('ZRANGE', ready, rank, rank)[1]
    end
  else
    members = redis.call('ZRANGE', ready, first, last, 'BYSCORE', 'LIMIT', 0, is_weighted and 16 or most)
  end
  for at, member in ipairs(members) do
    ids[at] = string.match(member, ' (.+)$')
  end
  if is_weighted then
    for _, id in ipairs(ids) do
      local account = load_account(store, id)
      local weight = math.min(free_units(account, mode, now), 1000000) / (1 + (account.open or 0))
      -- The least of exponential times is each one's with a chance in proportion to its weight.
      chances[id] = -math.log(1 - math.random()) / math.max(weight, 0.001)
    end
    table.sort(ids, function(one, other) return chances[one] < chances[other] end)
  end
  return ids
end
