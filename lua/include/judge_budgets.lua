--- Return in how many ms a call would fit into the budgets of its key, -1: never; and which one holds it up.
local function judge_budgets(usage, request, now)
  local need, names = { 1, request.tokens, request.units }, { 'requests', 'tokens', 'units' }
  local longest, which = 0, ''
  for _, period in ipairs({ 'day', 'week', 'month' }) do
    local sums = usage[period]
    for place, budget in ipairs(request[period]) do
      if budget > 0 and sums[place + 1] + need[place] > budget then
        local wait = need[place] > budget and -1 or sums[1] - now
        if longest >= 0 and (wait < 0 or wait > longest) then
          longest, which = wait, names[place] .. ' a ' .. period
        end
      end
    end
  end
  return longest, which
end
