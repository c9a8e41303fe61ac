--- Return the keys of the named pool, from groups of three that start at KEYS[first].
local function find_pool(name, first, names)
  for at, candidate in ipairs(names) do
    if candidate == name then
      local key = first + (at - 1) * 3
      return { ready = KEYS[key], timers = KEYS[key + 1], counts = KEYS[key + 2] }
    end
  end
  error('pool not declared: ' .. name)
end
