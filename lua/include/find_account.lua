--- Return id, account and mode of who is to serve a request, by affinity or by choice; nil when none can.
-- Modes go before tags, tags before pools. The fourth value tells whether the affinity is to be kept as it
-- is: its account is only busy.
-- @needs follow_session
-- @needs choose
local function find_account(store, request, bound, now)
  local account, mode_of_session, is_kept = follow_session(store, request, bound, now)
  if account then
    return bound, account, mode_of_session, true
  end
  local tags = #request.tag_numbers > 0 and request.tag_numbers or { 0 }
  local from = math.random(#tags) -- of several tags each comes first in its turn, or one would be drained
  for _, mode in ipairs(request.modes) do
    for at = 0, #tags - 1 do
      local tag = tags[(from + at - 1) % #tags + 1]
      for _, pool in ipairs(request.pools) do
        local id, found = choose(store, pool, mode, tag, request, now)
        if id then
          return id, found, mode, is_kept
        end
      end
    end
  end
end
