--- Give a request the numbers of its tags; a tag that no account ever had is -1 and matches none.
-- Returns whether there can be an account for it.
local function number_tags(store, request)
  request.tag_numbers = {}
  local is_known = #request.tags == 0
  for at, name in ipairs(request.tags) do
    local number = redis.call('HGET', store.meta, 'tag ' .. name)
    request.tag_numbers[at] = tonumber(number or -1)
    is_known = is_known or number
  end
  return is_known
end
