#!lua flags=no-writes
-- with lease.lua
-- holdings: the leases that hold something.
-- KEYS    {ns}
-- ARGV    node                    "": of all nodes
-- returns (slot, generation, sequence, elements)… elements separated by spaces, in the order in which they were taken.

local prefix = ARGV[1] == '' and '' or ARGV[1] .. '/'
local leases, answer = redis.call('HGETALL', LEASES), {}
for i = 1, #leases, 2 do
	local slot = leases[i]
	if slot:sub(1, #prefix) == prefix then
		local generation, sequence, rest = leases[i + 1]:match('^(%d+) (%-?%d+)(.*)$')
		local elements = rest:gsub(' [@+]%S*', '')
		if elements ~= '' then
			local last = #answer
			answer[last + 1], answer[last + 2], answer[last + 3] = slot, generation, sequence
			answer[last + 4] = elements:sub(2)
		end
	end
end
return answer
