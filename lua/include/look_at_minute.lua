--- Return what is left of a limit per minute, and in how many ms all of it is if nothing more is taken.
-- `offset` 1 counts requests, 2 tokens. The third value says in how many ms `need` more would fit; -1: never.
local function look_at_minute(cells, offset, limit, need, now)
  local taken, resets_ms = 0, 0
  for cell = 1, #cells, 3 do
    taken = taken + cells[cell + offset]
    if cells[cell + offset] > 0 then
      resets_ms = (cells[cell] + 61) * 1000 - now
    end
  end
  local left = math.max(0, limit - taken)
  if limit == 0 or taken + need <= limit then
    return left, resets_ms, 0
  end
  for cell = 1, #cells, 3 do
    taken = taken - cells[cell + offset]
    if taken + need <= limit then
      return left, resets_ms, (cells[cell] + 61) * 1000 - now
    end
  end
  return left, resets_ms, -1
end
