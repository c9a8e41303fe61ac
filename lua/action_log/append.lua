--- Write down what an administrator did. The oldest go when there are too many.
--
-- @key  actions      STREAM   what administrators did: "record", msgpack; capped
-- @arg  record       bytes    who did what, to what, from where, msgpack
-- @arg  max_entries  integer  length of the log
-- @reply appended  place:string
-- @cost  O(1)
return { 'appended', redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[2], '*', 'record', ARGV[1]) }
