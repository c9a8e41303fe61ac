--- Count a failure of an account. Requests that were under way when one of them failed are one strike
-- together, if they fail alike.
local function note_strike(account, verdict, granted_at, now)
  if account.strike ~= verdict.outcome then
    account.strikes, account.strike = 1, verdict.outcome
  elseif granted_at >= account.failed then
    account.strikes = account.strikes + 1
  end
  account.fails, account.failed = (account.fails or 0) + 1, now
  account.fault = verdict.reason
end
