--- Return the ids of accounts to look at, best first, and those of them that are loaded already, by id.
-- `max_quota` and `lru` take the first `most` as they stand in the section, `random` draws as many.
-- `weighted` draws some (of up to 16 all), each with a chance in proportion to its free units for each
-- open request.
-- @needs free_units
-- @needs section_of
-- @needs draw
local function candidates(store, ready, mode, tag, request, strategy, most, now)
  local least = section_of(store, mode, tag)
  local first = string.format('%.0f', least)
  -- Whoever needs 4 units or more does not look where fewer are left.
  local width = request.units < 4 and 4398046511104 or 2199023255552
  local limit = string.format('%.0f', least + width)
  local is_weighted = strategy == 'weighted'
  local ids, loaded, chances = {}, {}, {}
  local members
  if is_weighted or strategy == 'random' then
    members = draw(ready, first, limit, is_weighted, most)
  else
    members = redis.call('ZRANGE', ready, first, '(' .. limit, 'BYSCORE', 'LIMIT', 0, most)
  end
  for at, member in ipairs(members) do
    ids[at] = string.match(member, ' (.+)$')
  end
  if is_weighted and #ids > 0 then
    for at, packed in ipairs(redis.call('HMGET', store.accounts, unpack(ids))) do
      local id, account = ids[at], cmsgpack.unpack(packed)
      local weight = math.min(free_units(account, mode, now), 1000000) / (1 + (account.open or 0))
      -- The least of exponential times is each one's with a chance in proportion to its weight.
      loaded[id], chances[id] = account, -math.log(1 - math.random()) / math.max(weight, 0.001)
    end
    table.sort(ids, function(one, other) return chances[one] < chances[other] end)
  end
  return ids, loaded
end
