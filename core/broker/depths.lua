#!lua flags=no-writes
-- with lease.lua
-- depths: how many tasks stand where, of all queues at once, and whether the ledger adds up.
-- KEYS    {ns}
-- ARGV    n (queue list)×n        the plain lists of this database, of all queues
--         n queue×n               the queues to tell about
-- returns (pending, scheduled, retrying, active, dead, succeeded_total, dead_total, cancelled_total, oldest_ms,
--         paused)… a queue,
--         then unaccounted: submitted + revived − ended − live, over all queues that were ever used;
--         then when all tasks were deleted behind our back (ms, 0: never; see mark).

local NEXT_LOOK = 100 -- how many withdrawn ones to look past for the next in line

local lists, queues, position
lists, position = read_lists(1)
queues = read_names(position)
local now, counters, leased, live = now_ms(), {}, {}, 0

local function count_leased()
	for _, text in ipairs(redis.call('HVALS', LEASES)) do
		local lease = read_lease(text)
		for _, queue in ipairs(lease.queues) do
			leased[queue] = (leased[queue] or 0) + 1
		end
		live = live + #lease.elements
	end
end

local function read_counters()
	local fields = redis.call('HGETALL', COUNTERS)
	for i = 1, #fields, 2 do
		counters[fields[i]] = tonumber(fields[i + 1])
	end
end

local function next_in_line(queue)
	for _, line in ipairs(lines_of(queue)) do
		local elements = redis.call('LRANGE', QUEUE .. line, -NEXT_LOOK, -1)
		for i = #elements, 1, -1 do
			local element = without_ticket(elements[i])
			if redis.call('SISMEMBER', WITHDRAWN .. queue, element) == 0 then
				return id_of(element)
			end
		end
	end
	return nil
end

local function oldest_ms(queue)
	local id = next_in_line(queue)
	local created = id and (redis.call('HGET', TASKS, id) or ''):match('^%d+')
	return created and math.max(0, now - tonumber(created)) or 0
end

local function waiting(queue)
	local pending = own_length(queue) + own_length(queue, ASIDE) - redis.call('SCARD', WITHDRAWN .. queue)
	return pending, redis.call('ZCARD', SCHEDULED .. queue), redis.call('ZCARD', RETRYING .. queue)
end

local function count_ended()
	local ended = 0
	for name, value in pairs(counters) do
		local state = name:match('^(%a+) ')
		if state == 'succeeded' or state == 'dead' or state == 'cancelled' or state == 'deleted' then
			ended = ended + value
		end
	end
	return ended
end

count_leased()
read_counters()
local answer = {}
local function add(number)
	answer[#answer + 1] = number
end
for _, queue in ipairs(queues) do
	local pending, scheduled, retrying = waiting(queue)
	add(pending + (lists[queue] and plain_length(lists[queue]) or 0))
	add(scheduled)
	add(retrying)
	add(leased[queue] or 0)
	add(redis.call('ZCARD', ns .. ':dead:' .. queue))
	add(counters['succeeded ' .. queue] or 0)
	add(counters['dead ' .. queue] or 0)
	add(counters['cancelled ' .. queue] or 0)
	add(pending > 0 and oldest_ms(queue) or 0)
	add(redis.call('SISMEMBER', PAUSED, 'queue ' .. queue))
end
for _, queue in ipairs(redis.call('SMEMBERS', QUEUES)) do
	local pending, scheduled, retrying = waiting(queue)
	live = live + pending + scheduled + retrying
end
add((counters.submitted or 0) + (counters.revived or 0) - count_ended() - live)
add(tonumber(redis.call('HGET', ns .. ':mark', 'emptied') or 0))
return answer
