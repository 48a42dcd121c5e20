#!lua flags=allow-oom
-- with lease.lua
-- node: says that a node lives, and hears which ones do not.
-- KEYS    {ns}
-- ARGV    node timeout_ms description
-- returns the ids of nodes whose time ran out although they hold leases.

local node, now = ARGV[1], now_ms()
local TICKED, PAUSE_MS = ns .. ':ticked', 5000

-- Each second somebody says this. If nobody did for long, Redis stood still, or its clock was set: that says nothing about
-- those who are judged by it now, and their times move along.
local gap = now - tonumber(redis.call('GET', TICKED) or now)
if gap > PAUSE_MS or gap < -PAUSE_MS then
	for _, other in ipairs(redis.call('ZRANGE', ALIVE, 0, -1)) do
		redis.call('ZINCRBY', ALIVE, digits(gap), other)
	end
end
redis.call('SET', TICKED, digits(now))
redis.call('ZADD', ALIVE, now + tonumber(ARGV[2]), node)
redis.call('HSET', NODES, node, ARGV[3])

local expired, lost = {}, {}
for _, other in ipairs(redis.call('ZRANGEBYSCORE', ALIVE, '-inf', now)) do
	expired[other] = true
end
if next(expired) then
	local leases = redis.call('HGETALL', LEASES)
	for i = 1, #leases, 2 do
		local owner = leases[i]:match('^[^/]+')
		if expired[owner] and not leases[i + 1]:find('^%d+ %-?%d+$') then
			expired[owner] = nil
			lost[#lost + 1] = owner
		end
	end
end
return lost
