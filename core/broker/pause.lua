#!lua flags=allow-oom
-- with lease.lua
-- pause: lets a queue, a pool, a class or a node rest, or resumes it.
-- KEYS    {ns}
-- ARGV    on what name            on: 1 pause, 0 resume; what: queue, pool, class or node
--         n (queue list)×n        the plain lists of this database, of all queues
-- returns 1, or 0 when it was so already.
-- Paused is what has an entry in the set :paused, which turn looks at. A resumed class's tasks stand aside; how many come
-- back is noted for `restore`.

local on, what, name = ARGV[1] == '1', ARGV[2], ARGV[3]
local lists = read_lists(4)

if redis.call(on and 'SADD' or 'SREM', PAUSED, what .. ' ' .. name) == 0 then
	return 0
end
if on then
	return 1
end
if what == 'queue' then
	ring(name, lists[name])
elseif what == 'class' then
	for _, queue in ipairs(redis.call('SMEMBERS', QUEUES)) do
		for _, line in ipairs(lines_of(queue)) do
			local count = redis.call('LLEN', ASIDE .. line)
			if count > 0 then
				redis.call('HSET', RESTORE, line, count)
			end
		end
	end
else -- each worker that rests waits for a token of its own
	local tokens = {}
	for _, slot in ipairs(redis.call('HKEYS', LEASES)) do
		local node, pool = slot:match('^([^/]+)/([^/]+)/')
		if name == (what == 'pool' and pool or node) then
			tokens[#tokens + 1] = 1
		end
	end
	call_many('LPUSH', RESUMED, tokens)
	redis.call('EXPIRE', RESUMED, 2)
end
return 1
