--- End a batch: what is known of it stays readable for a while, its items go at once.
local function end_batch(keys, batch_id, state, now)
  local keep_ms = tonumber(redis.call('HGET', keys.facts, 'keep_ms'))
  redis.call('HSET', keys.facts, 'state', state, 'ended_ms', string.format('%.0f', now))
  redis.call('UNLINK', keys.pending, keys.claimed)
  redis.call('PEXPIRE', keys.facts, keep_ms)
  redis.call('PEXPIRE', keys.failures, keep_ms)
  redis.call('PEXPIRE', keys.results, keep_ms)
  redis.call('ZREM', keys.running, batch_id)
  redis.call('ZADD', keys.finished, string.format('%.0f', now + keep_ms), batch_id)
end
