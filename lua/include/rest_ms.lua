--- Return how long an account rests: as long as the upstream said, else a time that doubles with each strike.
local function rest_ms(account, verdict)
  if verdict.cooldown_ms > 0 then
    return verdict.cooldown_ms
  end
  return math.min(verdict.base_ms * 2 ^ (account.strikes - 1), verdict.max_ms)
end
