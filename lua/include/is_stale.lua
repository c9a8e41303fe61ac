--- Return whether another has taken the lead since `epoch` was given out. 0: this is no leader's work.
local function is_stale(leader, epoch)
  return epoch ~= '0' and redis.call('HGET', leader, 'epoch') ~= epoch
end
