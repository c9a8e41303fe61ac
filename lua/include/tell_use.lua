--- Return what a client key uses, as KeySpending of store/key_use.py reads it: requests of this minute and in how many
-- ms none of them counts any more, the same of tokens, then of day, week and month the ms to its end, requests,
-- tokens and units.
local function tell_use(usage, now)
  local cells, told = usage.cells, {}
  for offset = 1, 2 do
    local taken, ends_in_ms = 0, 0
    for cell = 1, #cells, 3 do
      taken = taken + cells[cell + offset]
      if cells[cell + offset] > 0 then
        ends_in_ms = (cells[cell] + 61) * 1000 - now
      end
    end
    told[2 * offset - 1], told[2 * offset] = taken, ends_in_ms
  end
  for _, period in ipairs({ 'day', 'week', 'month' }) do
    local sums = usage[period]
    told[#told + 1] = { sums[1] - now, sums[2], sums[3], sums[4] }
  end
  return told
end
