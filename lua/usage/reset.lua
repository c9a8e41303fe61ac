--- Forget all sums of hours and days. What is settled from then on counts anew; the log stays.
--
-- @keys buckets  HASH  member -> cell, msgpack, of every hour and day that may be kept
-- @reply reset  count:integer
-- @repeatable what is forgotten stays so
-- @cost  O(n) in the number of hours and days, freed in the background
local count = 0

for n = 1, #KEYS do
  count = count + redis.call('UNLINK', KEYS[n])
end
return { 'reset', count }
