--- Give its client key back what its budgets lost to a video job that the upstream was never asked for.
-- @needs load_usage
-- @needs charge
local function repay_video(store, record, now)
  if record.asked > 0 or record.units == 0 then
    return
  end
  local usage, is_kept = load_usage(store, record.owner, now)
  if is_kept then -- else its key was revoked meanwhile
    charge(usage, record.taken, 0, 0, -record.units, now)
    for _, name in ipairs({ 'day', 'week', 'month' }) do
      usage[name][4] = math.max(0, usage[name][4]) -- its worker died: the call had given it back
    end
    redis.call('HSET', store.usage, record.owner, cmsgpack.pack(usage))
  end
end
