--- Return the keys of the account pools by name. `own` is how many keys the script declares itself.
--
-- @key  accounts  HASH    account id -> account, msgpack (see docs/decisions/0008-account-pools.md)
-- @key  secrets   HASH    account id -> sealed credentials
-- @key  index     ZSET    account id -> when it was made, ms since epoch
-- @key  meta      HASH    "strategy" in force, "births", "tags" and "tag <name>" -> number
-- @key  leases    HASH    lease id -> lease, msgpack
-- @key  timers    ZSET    "lease id", "wake id", "window mode id", "rest mode id", "wait id" -> when
-- @key  counts    HASH    "pool status", "pool total|open|granted|settled|refunded", "sequence"
-- @key  waiters   HASH    lease id -> request that waits, msgpack
-- @key  waiting   ZSET    "slot lease_id" -> slot and virtual time, packed
-- @key  queues    HASH    client key -> "waiting last_virtual_time"; "" -> virtual time
-- @key  refresh   ZSET    account id -> when its quota is to be asked for, ms since epoch
-- @key  wakeups   STREAM  "lease": requests that were handed an account, for the workers that wait
-- @keys ready     ZSET    per pool: "mode[#tag] id" -> section, free share and last use, packed
local function open_pools(own)
  local store = {
    accounts = KEYS[1], secrets = KEYS[2], index = KEYS[3], meta = KEYS[4], leases = KEYS[5],
    timers = KEYS[6], counts = KEYS[7], waiters = KEYS[8], waiting = KEYS[9], queues = KEYS[10],
    refresh = KEYS[11], wakeups = KEYS[12],
    ready = {}, order = {},
    modes = {
      auto = 0, fast = 1, expert = 2, heavy = 3, grok_4_3 = 4,
      image_pro = 5, image_edit = 6, video = 7, video_720p = 8,
    },
  }
  for at = 13 + own, #KEYS do
    local pool = string.match(KEYS[at], 'pool:(.+):ready$')
    store.ready[pool] = KEYS[at]
    store.order[pool] = at - 13 - own
  end
  return store
end
