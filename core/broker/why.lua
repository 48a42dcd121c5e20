#!lua flags=no-writes
-- with lease.lua
-- why: what stands between a task that waits and its worker.
-- KEYS    {ns}
-- ARGV    id
-- returns {slot, ahead}: slot: that holds it, '': none does; ahead: how many tasks will be taken before it, -1: not known.

local LOOK_MAX = 1000000

local id = ARGV[1]
local stored, record = redis.call('HGET', TASKS, id), redis.call('HGET', RUNS, id)
if not stored then
	return { '', -1 }
end
local queue, element = queue_of(stored), element_of(id, record)

local function find_holder()
	local needle, leases = ' ' .. element .. ' ', redis.call('HGETALL', LEASES)
	for i = 1, #leases, 2 do
		if (leases[i + 1] .. ' '):find(needle, 1, true) then
			return leases[i]
		end
	end
	return ''
end

local function count_ahead()
	local own, ahead = line_of(queue, stored), 0
	for _, line in ipairs(lines_of(queue)) do
		local length = redis.call('LLEN', QUEUE .. line)
		if line == own then
			local index = redis.call('LPOS', QUEUE .. line, element, 'RANK', -1, 'MAXLEN', LOOK_MAX)
			return index and ahead + length - 1 - index or -1
		end
		ahead = ahead + length
	end
	return -1
end

return { find_holder(), count_ahead() }
