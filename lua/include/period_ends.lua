--- Return when the day, the week (from Monday) and the month of a moment end in UTC, all ms since epoch.
local function period_ends(at)
  local floor, day_ms = math.floor, 86400000
  local day = floor(at / day_ms)
  -- The calendar counted from March on: the leap day is the last of a year, eras have 400 years.
  local days = day + 719468
  local era = floor(days / 146097)
  local rest = days - era * 146097
  local year = floor(
    (rest - floor(rest / 1460) + floor(rest / 36524) - floor(rest / 146096)) / 365
  )
  local in_year = rest - (365 * year + floor(year / 4) - floor(year / 100))
  local month = floor((5 * in_year + 2) / 153) + 1 -- the next one
  if month == 12 then
    year, month = year + 1, 0
  end
  local next_month = era * 146097 - 719468 + 365 * year + floor(year / 4) - floor(year / 100)
    + floor(year / 400) + floor((153 * month + 2) / 5)
  return {
    day = (day + 1) * day_ms,
    week = (floor((day + 3) / 7) * 7 + 4) * day_ms,
    month = next_month * day_ms,
  }
end
