--- Return what a client key has used, without what is too old to count; and whether it was kept.
-- A cell counts until any 60 seconds that touch it are over.
-- @needs period_ends
local function load_usage(store, key_id, now)
  local packed = redis.call('HGET', store.usage, key_id)
  local usage = packed and cmsgpack.unpack(packed) or { cells = {}, open = 0 }
  local cells, first = usage.cells, 1
  while cells[first] and (cells[first] + 61) * 1000 <= now do
    first = first + 3
  end
  usage.cells = { unpack(cells, first) }
  for name, ends in pairs(period_ends(now)) do
    if not usage[name] or usage[name][1] < ends then
      usage[name] = { ends, 0, 0, 0 }
    end
  end
  return usage, packed and true or false
end
