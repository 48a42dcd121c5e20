#!lua flags=allow-oom
-- with lease.lua
-- recover: ends what one generation of a slot holds, and the generation with it.
-- KEYS    {ns}
-- ARGV    slot generation
--         n (queue list)×n        the plain lists of this database, of all queues
--         (element record)…       what it had finished; record P: to the head of its queue, as it stands now
-- returns {settled, returned, ended}: outcomes taken; tasks sent back to the head of their queue; ended ones of the settled.
--         All 0 when it was done before, or a later generation has the slot. HELD: an older one holds something.
-- All that has no outcome goes back uncounted, in its order; outcomes of elements that it does not hold were reported before. The tombstone lets a late turn of that generation fail.

local slot, generation = ARGV[1], tonumber(ARGV[2])
local lists, position = read_lists(3)
local outcomes = read_outcomes(position)
local lease = read_lease(redis.call('HGET', LEASES, slot)) or { generation = 0, sequence = 0, elements = {} }

if lease.generation > generation or (lease.generation == generation and lease.sequence < 0) then
	return { 0, 0, 0 }
end
if lease.generation < generation and #lease.elements > 0 then
	return redis.error_reply('HELD ' .. slot)
end

local settled = 0
for _, element in ipairs(lease.elements) do
	if outcomes[element] then
		settled = settled + 1
	else
		outcomes[element] = 'B'
	end
end
local _, count = settle(slot, lease, outcomes, lists, now_ms())
redis.call('HSET', LEASES, slot, ARGV[2] .. ' -1')
return { settled, count.returned, count.ended }
