#!lua flags=allow-oom
-- with lease.lua
-- node: says that a node lives, and hears which ones do not.
-- KEYS    {ns}
-- ARGV    node timeout_ms description
-- returns the ids of nodes whose time ran out although they hold leases.

local node, now = ARGV[1], now_ms()
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
