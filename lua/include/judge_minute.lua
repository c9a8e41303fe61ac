--- Return in how many ms `need` more would fit into a limit per minute, -1: never.
-- `offset` 1 counts requests, 2 tokens.
local function judge_minute(cells, offset, limit, need, now)
  local taken = 0
  for cell = 1, #cells, 3 do
    taken = taken + cells[cell + offset]
  end
  if limit == 0 or taken + need <= limit then
    return 0
  end
  for cell = 1, #cells, 3 do
    taken = taken - cells[cell + offset]
    if taken + need <= limit then
      return (cells[cell] + 61) * 1000 - now
    end
  end
  return -1
end
