--- Return members of a section, drawn by chance: `most`, or for `is_weighted` pairs of neighbours, four of
-- them, two from more than 1000. One row would be cheaper, but who is seldom taken gathers in rows.
local function draw(ready, first, limit, is_weighted, most)
  -- Counting what lies outside costs nothing where there is one section only.
  local before = redis.call('ZCOUNT', ready, '-inf', '(' .. first)
  local count = redis.call('ZCARD', ready) - before - redis.call('ZCOUNT', ready, limit, '+inf')
  if count <= (is_weighted and 16 or 0) then
    return redis.call('ZRANGE', ready, first, '(' .. limit, 'BYSCORE', 'LIMIT', 0, 16)
  end
  local members = {}
  for _ = 1, is_weighted and (count > 1000 and 2 or 4) or most do
    local rank = math.random(0, count - 1)
    local last = is_weighted and math.min(rank + 1, count - 1) or rank
    for _, member in ipairs(redis.call('ZRANGE', ready, before + rank, before + last)) do
      members[#members + 1] = member
    end
  end
  return members
end
