--- End a call with what it took; all 0 gives it back completely.
--
-- @arg  call_id   string   the call
-- @arg  requests  integer  1, or 0 where it shall not count
-- @arg  tokens    integer  of the prompt and the answer
-- @arg  units     integer  of the accounts' quota
-- @arg  now_ms    integer  ms since epoch; 0 = server clock
-- @reply ended
-- @reply gone   (it has ended before; nothing changed)
-- @repeatable a call ends once
-- @cost  O(log n) in the number of open calls
-- @include open_calls
-- @include clock
-- @include period_ends
-- @include load_usage
-- @include charge
-- @include end_call
local requests, tokens, units = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

if end_call(open_calls(), ARGV[1], requests, tokens, units, clock(ARGV[5])) then
  return { 'ended' }
end
return { 'gone' }
