#!lua flags=no-writes
-- with lease.lua
-- nodes: the nodes that live.
-- KEYS    {ns}
-- ARGV    none
-- returns (node, until_ms, description)…

local answer = {}
local living = redis.call('ZRANGEBYSCORE', ALIVE, '(' .. digits(now_ms()), '+inf', 'WITHSCORES')
for i = 1, #living, 2 do
	local description = redis.call('HGET', NODES, living[i])
	if description then
		local last = #answer
		answer[last + 1], answer[last + 2], answer[last + 3] = living[i], tonumber(living[i + 1]), description
	end
end
return answer
