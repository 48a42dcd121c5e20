#!lua flags=allow-oom
-- with lease.lua
-- turn: settles what a slot has finished and takes its next tasks, in one call.
-- KEYS    {ns}
-- ARGV    slot generation sequence want id_base node_timeout_ms
--         n (queue list)×n        the plain lists of this database, of all queues
--         n queue×n               where to take from, in the order to try; `queue share`: at first so many at most;
--                                 `queue share max`: also no more than max at once, over all slots; share 0: any
--         (element record)…       outcomes; record "B": give back uncounted
-- returns {admitted, elements, stored values of :tasks, records of :runs (false: none)} of what was taken just now, or
--         what the same sequence took when it was called before, counting nothing twice. admitted -1: the slot's pool or
--         node is paused.
--         GONE: this generation was recovered, or a later call has overtaken this one. HELD: an older one holds something.
-- want is what the slot may hold afterwards; what it keeps counts. An outcome of an element that it does not hold changes
-- nothing and is counted as lost.
-- Sequences have no gaps. One shows that Redis was set back to before this caller's last call (a fail-over, a file cut at
-- its end): what the lease has then, and the caller does not report, goes back to the head of its queue.

local slot, generation, sequence, want = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local id_base, node_timeout = ARGV[5], tonumber(ARGV[6])
local lists, queues, outcomes, position, outcome_count
lists, position = read_lists(7)
queues, position = read_names(position)
local shares, limits = {}, {}
for i, queue in ipairs(queues) do
	local name, share, limit = queue:match('^(%S+) (%d+) ?(%d*)$')
	if name then
		queues[i], shares[i] = name, share ~= '0' and tonumber(share) or nil
		limits[name] = tonumber(limit)
	end
end
outcomes, outcome_count = read_outcomes(position)
local now = now_ms()

local WITHDRAWN_ROUNDS = 16 -- a long row of cancelled tasks must not hold the broker up

local function answer(elements, admitted)
	if #elements == 0 then
		return {}
	end
	local ids, again = {}, {}
	for i, element in ipairs(elements) do
		ids[i] = id_of(element)
		if ids[i] ~= element then
			again[#again + 1] = i
		end
	end
	local stored, records = redis.call('HMGET', TASKS, unpack(ids)), {}
	if #again > 0 then -- only what was executed before has a record
		for i = 1, #ids do
			records[i] = false
		end
		for _, i in ipairs(again) do
			records[i] = redis.call('HGET', RUNS, ids[i])
		end
	end
	return { admitted, elements, stored, records }
end

-- A node that reports is alive, even if its scheduler is not.
local function extend_node()
	local node = slot:match('^[^/]+')
	local known = redis.call('ZSCORE', ALIVE, node)
	if known and tonumber(known) < now + node_timeout / 2 then
		redis.call('ZADD', ALIVE, 'XX', now + node_timeout, node)
	end
end

-- What is paused: queues are passed over, classes looked for in what is taken, a pool or a node takes nothing.
local rests, classes = false, nil
local function heed_pauses()
	local node, pool = slot:match('^([^/]+)/([^/]+)/')
	local paused = {}
	for _, entry in ipairs(redis.call('SMEMBERS', PAUSED)) do
		local what, name = entry:match('^(%a+) (.*)$')
		paused[entry] = true
		if what == 'class' then
			classes = classes or {}
			classes[name] = true
		end
	end
	rests = paused['pool ' .. pool] or paused['node ' .. node] or false
	local open, open_shares = {}, {}
	for i, queue in ipairs(queues) do
		if not rests and not paused['queue ' .. queue] then
			open[#open + 1] = queue
			open_shares[#open] = shares[i]
		end
	end
	queues, shares = open, open_shares
end

local taken = { elements = {}, lines = {}, admitted = 0, more = false }

local function keep_taken(line, element)
	taken.elements[#taken.elements + 1] = element
	taken.lines[#taken.lines + 1] = line
end

-- Sets a task aside whose class is paused. Scripts read documents in this one case, and never write one.
local function goes_aside(line, element)
	local stored = redis.call('HGET', TASKS, id_of(element))
	local whole, document = pcall(cjson.decode, stored and stored:match('\n(.*)$') or '')
	if not whole or type(document) ~= 'table' or not classes[document.class or false] then
		return false
	end
	redis.call('LPUSH', ASIDE .. line, element)
	taken.more = true
	return true
end

-- Takes over the popped elements that were not cancelled meanwhile. Returns how many.
local function keep_popped(line, queue, popped)
	local withdrawn = redis.call('EXISTS', WITHDRAWN .. queue) == 1
	local count = 0
	for _, element in ipairs(popped) do
		element = without_ticket(element)
		local stays = not withdrawn or redis.call('SREM', WITHDRAWN .. queue, element) == 0
		if stays and not (classes and goes_aside(line, element)) then
			keep_taken(line, element)
			count = count + 1
		end
	end
	return count
end

local function take_own(line, queue, room)
	for _ = 1, WITHDRAWN_ROUNDS do
		local popped = redis.call('RPOP', QUEUE .. line, room)
		if not popped then
			return
		end
		local asked = room
		room = room - keep_popped(line, queue, popped)
		if room == 0 or #popped < asked then
			return
		end
	end
	taken.more = true
end

-- Takes up to `room` documents from the plain list and makes tasks of them. Returns how many there were.
local function admit(queue, list, room)
	local documents = redis.pcall('RPOP', list, room)
	if not documents or documents.err or #documents == 0 then
		return 0
	end
	for _, id in ipairs(make_tasks(queue, documents, id_base, taken.admitted, now)) do
		if not (classes and goes_aside(queue, id)) then
			keep_taken(queue, id)
		end
	end
	taken.admitted = taken.admitted + #documents
	redis.call('HINCRBY', COUNTERS, 'taken ' .. queue, #documents)
	return #documents
end

-- One look at the queue's own list and its plain list, in the order in which things came. Returns the room that is left,
-- and true when there may be more than this look has seen.
local function take_mixed_once(queue, list, room)
	local own = redis.call('LRANGE', QUEUE .. queue, -room, -1)
	local served = tonumber(redis.call('HGET', COUNTERS, 'taken ' .. queue) or 0)
	local asked, used, empty, popped = room, 0, false, {}
	local function flush()
		room = room - keep_popped(queue, queue, popped)
		popped = {}
	end
	while room > #popped do
		local element = own[#own - used]
		if not element and #own == asked then
			break -- some of them were withdrawn: look again
		end
		local ticket = element and tonumber(element:match('%^(%d+)$') or 0)
		if element and (empty or ticket <= served) then
			popped[#popped + 1] = element
			used = used + 1
		elseif empty then
			break
		else
			flush()
			local count = element and math.min(room, ticket - served) or room
			local got = admit(queue, list, count)
			room, served, empty = room - got, served + got, got < count
		end
	end
	flush()
	if used > 0 then
		redis.call('RPOP', QUEUE .. queue, used)
	end
	return room, used == asked
end

local function take_mixed(queue, list, room)
	local more = true
	for _ = 1, WITHDRAWN_ROUNDS do
		if room == 0 or not more then
			break
		end
		room, more = take_mixed_once(queue, list, room)
	end
	taken.more = taken.more or (room > 0 and more)
	arm_list_if_empty(list)
end

local function write_lease(kept)
	local parts, line = { ARGV[2], ARGV[3] }, nil
	local function add(group)
		for i, element in ipairs(group.elements) do
			if group.lines[i] ~= line then
				line = group.lines[i]
				parts[#parts + 1] = '@' .. line
			end
			parts[#parts + 1] = element
		end
	end
	add(kept)
	if #kept.elements > 0 or taken.admitted > 0 then
		parts[#parts + 1] = '+' .. taken.admitted
	end
	add(taken)
	redis.call('HSET', LEASES, slot, table.concat(parts, ' '))
end

local lease = read_lease(redis.call('HGET', LEASES, slot))
if lease then
	if lease.generation > generation
			or (lease.generation == generation and (lease.sequence < 0 or sequence < lease.sequence)) then
		ring_all(queues, lists) -- this caller may have eaten a token
		return redis.error_reply('GONE ' .. slot)
	end
	if lease.generation < generation then
		if #lease.elements > 0 then
			ring_all(queues, lists)
			return redis.error_reply('HELD ' .. slot)
		end
	elseif lease.sequence == sequence then
		ring_all(queues, lists) -- it may have waited again, and eaten another token
		return answer({ unpack(lease.elements, lease.first) }, lease.admitted)
	end
end

-- Who takes holds nothing but what it reports; the second thread of a worker (want 0) may hold more.
local function was_set_back()
	return lease and want > 0 and lease.generation == generation and lease.sequence < sequence - 1
end

extend_node()
if was_set_back() then
	for _, element in ipairs(lease.elements) do
		if not outcomes[element] then
			outcomes[element] = 'B'
			outcome_count = outcome_count + 1
		end
	end
end
local kept, count = settle(slot, lease or { elements = {} }, outcomes, lists, now)
if count.settled < outcome_count then
	redis.call('HINCRBY', COUNTERS, 'lost', outcome_count - count.settled)
end
local room = want - #kept.elements
if want > 0 and redis.call('EXISTS', PAUSED) == 1 then
	heed_pauses()
end

-- Whether as many of the queue's tasks are held as may be.
local function is_at_limit(queue)
	return limits[queue] and redis.call('SCARD', HOLDERS .. queue) >= limits[queue]
end

-- Of a queue with a limit a slot holds one task at most: so those that are held are those that run.
local function note_holder(queue)
	redis.call('SADD', LIMITED, queue)
	redis.call('SADD', HOLDERS .. queue, slot)
	taken.more = taken.more or not is_at_limit(queue)
end

-- Returns whether the queue gave all that it was asked for, so that it may have more.
local function take(queue, most)
	if limits[queue] and (is_at_limit(queue) or redis.call('SISMEMBER', HOLDERS .. queue, slot) == 1) then
		return false
	end
	most = limits[queue] and 1 or most
	local wanted = #taken.elements + most
	for _, line in ipairs(lines_of(queue)) do
		local left = wanted - #taken.elements
		if left == 0 then
			break
		elseif lists[line] then
			take_mixed(queue, lists[queue], left)
		else
			take_own(line, queue, left)
		end
	end
	if limits[queue] and #taken.elements == wanted then
		note_holder(queue)
		return false
	end
	return #taken.elements == wanted
end

-- First to each its share, then what is left to those that have more.
local richer = {}
for i, queue in ipairs(queues) do
	local left = room - #taken.elements
	if left <= 0 then
		break
	end
	local most = math.min(left, shares[i] or left)
	if take(queue, most) and most < left then
		richer[#richer + 1] = queue
	end
end
for _, queue in ipairs(richer) do
	local left = room - #taken.elements
	if left > 0 then
		take(queue, left)
	end
end
if taken.more or #taken.elements >= room then
	for _, queue in ipairs(queues) do
		if not is_at_limit(queue) then
			ring(queue, lists[queue])
		end
	end
end
write_lease(kept)
if rests then
	return { -1, {}, {}, {} }
end
return answer(taken.elements, taken.admitted)
