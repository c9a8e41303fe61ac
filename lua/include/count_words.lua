--- Return how many space-separated words a field holds; `false`, as Redis says "none", holds none.
local function count_words(text)
  local _, count = string.gsub(text or '', '%S+', '')
  return count
end
