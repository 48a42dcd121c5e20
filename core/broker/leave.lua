#!lua flags=allow-oom
-- with lease.lua
-- leave: a node says goodbye: its time is over now, and it is shown no more.
-- KEYS    {ns}
-- ARGV    node
-- returns nothing.

redis.call('ZADD', ALIVE, 'XX', now_ms(), ARGV[1])
redis.call('HDEL', NODES, ARGV[1])
return false
