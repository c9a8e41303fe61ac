--- Return the ids of accounts to look at, best first, and those of them that are loaded already, by id.
-- `max_quota` and `lru` take the first `most` as they stand in the section, `random` draws as many.
-- `weighted` draws four pairs of neighbours, two from more than 1000, all of up to 16; each has a chance
-- in proportion to its free units for each open request. One row would be cheaper, but who is seldom
-- taken gathers in rows.
-- @needs free_units
-- @needs section_of
local function candidates(store, ready, mode, tag, request, strategy, most, now)
  local least = section_of(store, mode, tag)
  local first = string.format('%.0f', least)
  -- Whoever needs 4 units or more does not look where fewer are left.
  local width = request.units < 4 and 4398046511104 or 2199023255552
  local limit = string.format('%.0f', least + width)
  local last = '(' .. limit
  local is_weighted = strategy == 'weighted'
  local members, ids, loaded, chances = {}, {}, {}, {}
  local is_drawn = is_weighted or strategy == 'random'
  local count, before = 0, 0
  if is_drawn then
    -- Counting what lies outside costs nothing where there is one section only.
    before = redis.call('ZCOUNT', ready, '-inf', '(' .. first)
    count = redis.call('ZCARD', ready) - before - redis.call('ZCOUNT', ready, limit, '+inf')
  end
  if count > (is_weighted and 16 or 0) then
    for _ = 1, is_weighted and (count > 1000 and 2 or 4) or most do
      local rank = math.random(0, count - 1)
      local drawn = is_weighted and math.min(rank + 1, count - 1) or rank
      for _, member in ipairs(redis.call('ZRANGE', ready, before + rank, before + drawn)) do
        members[#members + 1] = member
      end
    end
  else
    local rows = is_weighted and 16 or most
    members = redis.call('ZRANGE', ready, first, last, 'BYSCORE', 'LIMIT', 0, rows)
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
