#!lua flags=allow-oom
-- settings: notes what of a queue is to be other than each node's file says.
-- KEYS    {ns}
-- ARGV    queue before after      before: what the caller has seen there, '': nothing; after: JSON, '': nothing any more
-- returns 1, or 0 when something else stands there than `before`: look again.
-- A caller whose reply was lost says it again: what it wanted stands there already.

local SETTINGS = ns .. ':settings'
local queue, before, after = ARGV[1], ARGV[2], ARGV[3]
local now = redis.call('HGET', SETTINGS, queue) or ''
if now ~= before and now ~= after then
	return 0
end
if after == '' then
	redis.call('HDEL', SETTINGS, queue)
else
	redis.call('HSET', SETTINGS, queue, after)
end
return 1
