--- Forget which account serves a session, or all sessions.
--
-- @key  sessions      HASH    session -> account id
-- @key  session_ends  ZSET    session -> when it is forgotten, ms since epoch
-- @arg  session       string  the session; "" = all
-- @reply cleared  count:integer
-- @repeatable what is forgotten stays so
-- @cost  O(1), and O(n) in the number of sessions, freed in the background, for all
local sessions, ends, session = KEYS[1], KEYS[2], ARGV[1]

if session == '' then
  local count = redis.call('HLEN', sessions)
  redis.call('UNLINK', sessions, ends)
  return { 'cleared', count }
end
redis.call('ZREM', ends, session)
return { 'cleared', redis.call('HDEL', sessions, session) }
