#!lua flags=allow-oom
-- with lease.lua
-- restore: brings tasks that stand aside since their class was paused back to the heads of their queues, in their order.
-- KEYS    {ns}
-- ARGV    limit                   most to bring back of one line in this call
-- returns how many are left to be brought back.

local limit, left = tonumber(ARGV[1]), 0
local noted = redis.call('HGETALL', RESTORE)

for i = 1, #noted, 2 do
	local line, count = noted[i], tonumber(noted[i + 1])
	local elements = redis.call('LPOP', ASIDE .. line, math.min(limit, count)) or {} -- the latest first: the earliest ends up in front
	call_many('RPUSH', QUEUE .. line, elements)
	ring(line:match('^[^:]+'))
	count = #elements < limit and 0 or count - #elements
	left = left + count
	if count > 0 then
		redis.call('HSET', RESTORE, line, count)
	else
		redis.call('HDEL', RESTORE, line)
	end
end
return left
