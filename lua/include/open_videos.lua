--- Return the keys of video jobs by name. A job: its owner and place in the list, "state", "fence" and
-- end of the last "claim", "step" and "asked" (moves, and parts asked for), "found" (1: it can go on
-- without asking anew), "stop" (1: nobody wants it), "gone" (1: forget it at its end), times, ending,
-- "units" and "taken" (what its call took out of budgets, and when that was admitted).
--
-- @key  jobs    HASH  "<id>" -> record, msgpack; "<id> question" and "<id> work" -> sealed
-- @key  index   ZSET  "<owner> <place> <id>", all scores 0
-- @key  due     ZSET  unfinished job -> when the claim on it ends, ms since epoch
-- @key  ends    ZSET  ended job -> when it is forgotten, ms since epoch
-- @key  open    HASH  owner -> how many of its jobs have not ended
-- @key  tokens  HASH  "<owner> <token>" -> job, fingerprint and end, msgpack
-- @key  usage   HASH  client key id -> its use, see open_calls
-- @key  calls   HASH  call id -> call that has not ended, see open_calls
local function open_videos()
  return {
    jobs = KEYS[1], index = KEYS[2], due = KEYS[3],
    ends = KEYS[4], open = KEYS[5], tokens = KEYS[6],
    usage = KEYS[7], calls = KEYS[8],
  }
end
