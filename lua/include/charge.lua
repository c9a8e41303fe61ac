--- Add to what a client key has used, or take from it, for a call that was admitted `at`.
-- It counts in the second and the periods of its admission. What a call takes in addition when its second counts
-- no more is counted now, else long calls would escape the limit of a minute.
-- @needs period_ends
local function charge(usage, at, requests, tokens, units, now)
  for name, ends in pairs(period_ends(at)) do
    local sums = usage[name]
    if sums[1] == ends then
      sums[2], sums[3], sums[4] = sums[2] + requests, sums[3] + tokens, sums[4] + units
    end
  end
  local cells, second, cell = usage.cells, math.floor(at / 1000), 1
  while cells[cell] and cells[cell] ~= second do
    cell = cell + 3
  end
  if not cells[cell] then
    requests, tokens = math.max(0, requests), math.max(0, tokens)
    if requests + tokens == 0 then
      return
    end
    local current, last = math.floor(now / 1000), #cells - 2
    if last > 0 and cells[last] >= current then -- also where the clock was set back
      cell = last
    else
      cells[cell], cells[cell + 1], cells[cell + 2] = current, 0, 0
    end
  end
  cells[cell + 1], cells[cell + 2] = cells[cell + 1] + requests, cells[cell + 2] + tokens
end
