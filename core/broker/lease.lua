-- lease: what the scripts share that deal with tasks after their submission: those whose second line is `-- with lease.lua`.
-- It comes behind common.lua.
--
-- A lease is the text `generation sequence @line element element … @line element …`; a token `+n` stands before the
-- elements that the last call took, n of them from plain lists; sequence -1 is a tombstone.

local LEASES, CANCELS, WATCHED = ns .. ':leases', ns .. ':cancels', ns .. ':watched'
local RETAINED, EXPIRING, UNIQUE = ns .. ':retained', ns .. ':expiring', ns .. ':unique'
local LIMITED, HOLDERS = ns .. ':limited', ns .. ':holders:' -- queues with a max_active; the slots that hold one of theirs
local ALIVE, NODES = ns .. ':alive', ns .. ':nodes'
local RETRYING = ns .. ':retrying:'
local FORCED = ns .. ':forced' -- of the cancelled ones that are held: to be ended at once
local PAUSED, RESUMED = ns .. ':paused', ns .. ':resumed'
local ASIDE, RESTORE = ns .. ':aside:', ns .. ':restore' -- tasks of paused classes; how many of a line's come back
local HUSKS = ns .. ':husks:' -- deleted ids that still stand in the list of succeeded ones
local ENDED = { S = 'succeeded', D = 'dead', C = 'cancelled' }

local function read_outcomes(position)
	local outcomes = {}
	for i = position, #ARGV, 2 do
		outcomes[ARGV[i]] = ARGV[i + 1]
	end
	return outcomes, (#ARGV - position + 1) / 2
end

local function id_of(element)
	local mark = element:find('~', 1, true)
	return mark and element:sub(1, mark - 1) or element
end

local function without_ticket(element)
	local mark = element:find('^', 1, true)
	return mark and element:sub(1, mark - 1) or element
end

local function element_with(id, executions)
	return executions == 0 and id or id .. '~' .. digits(executions)
end

-- The element under which a task waits or is held, by its record (nil or false: none).
local function element_of(id, record)
	return element_with(id, tonumber(record and record:match('^%a (%d+)') or 0))
end

local function queue_of(stored)
	return stored:match('^%S+ %S+ %S+ %S+ (%S+)')
end

-- What the head says by `name=value` behind the queue; nil: nothing.
local function option_of(stored, name)
	return stored:match('^[^\n]* ' .. name .. '=(%S+)')
end

local function line_of(queue, stored)
	local priority = stored and option_of(stored, 'p')
	return priority and queue .. ':' .. priority or queue
end

-- The lines of a queue in the order in which they are taken from.
local function lines_of(queue)
	local levels, lines, own = levels_of(queue), {}, false
	for level in levels:gmatch('%d') do
		if not own and level < '5' then
			own, lines[#lines + 1] = true, queue
		end
		lines[#lines + 1] = queue .. ':' .. level
	end
	if not own then
		lines[#lines + 1] = queue
	end
	return lines
end

-- How many elements stand in the lists of a queue (or, prefix ASIDE, stand aside), withdrawn ones among them.
local function own_length(queue, prefix)
	prefix = prefix or QUEUE
	local length = redis.call('LLEN', prefix .. queue)
	for level in levels_of(queue):gmatch('%d') do
		length = length + redis.call('LLEN', prefix .. queue .. ':' .. level)
	end
	return length
end

local function due_of(record)
	return record:match('^%a %S+ %S+ %S+ %S+ %S+ %S+ (%S+)')
end

-- The record of a task that is cancelled now: the old one's counts and body (history) stay.
local function cancelled_record(record, now)
	local counts, started, worker, body
	if record then
		counts, started, worker, body =
			record:match('^%a (%d+ %d+ %d+ %d+) (%d+) %S+ %S+ (%S+)\n(.*)$')
	end
	return ('C %s %s %s 0 %s\n%s'):format(counts or '0 0 0 0', started or '0', digits(now), worker or '-', body or '')
end

-- The same of one that is dead because it was not started in time: its body begins with why.
local function expired_record(record, now)
	local cancelled = cancelled_record(record, now)
	local line, body = cancelled:match('^C([^\n]*\n)(.*)$')
	local why = '{"error":{"kind":"expired","message":"it was not started within its expires_in"}'
	return 'D' .. line .. why .. (#body > 2 and ',' .. body:sub(2) or '}')
end

-- Wakes an idle worker of the queue if there is something to take.
local function ring(queue, list)
	if own_length(queue) > 0 or (list and plain_length(list) > 0) then
		put_token(BELL .. queue)
	end
end

local function ring_all(queues, lists)
	for _, queue in ipairs(queues) do
		ring(queue, lists[queue])
	end
end

local function arm_list_if_empty(list)
	if redis.pcall('LLEN', list) == 0 then -- not one of the wrong type: its watcher would spin
		put_token(ns .. ':armed:list:' .. list)
	end
end

-- The elements that workers hold: read once in a call that changes no lease.
local held
local function is_held(element)
	if not held then
		held = {}
		for _, lease in ipairs(redis.call('HVALS', LEASES)) do
			for token in lease:gmatch('%S+') do
				held[token] = true
			end
		end
	end
	return held[element] or false
end

-- Takes an element out of wherever it waits. Returns false when a worker holds it.
local function leave_line(queue, element)
	if redis.call('ZREM', SCHEDULED .. queue, element) == 1 or redis.call('ZREM', RETRYING .. queue, element) == 1 then
		return true
	end
	if is_held(element) then
		return false
	end
	redis.call('SADD', WITHDRAWN .. queue, element)
	return true
end

-- The lease of a slot: {generation, sequence, elements, lines and queues (of each element), first (of the last call's),
-- admitted}, or nil when there is none.
local function read_lease(text)
	if not text then
		return nil
	end
	local generation, sequence, rest = text:match('^(%d+) (%-?%d+)(.*)$')
	local elements, lines, queues, count, line, queue = {}, {}, {}, 0, nil, nil
	local lease = { generation = tonumber(generation), sequence = tonumber(sequence), elements = elements,
			lines = lines, queues = queues, first = 1, admitted = 0 }
	for token in rest:gmatch('%S+') do
		local byte = token:byte()
		if byte == 64 then -- @
			line = token:sub(2)
			queue = queue_of_line(line)
		elseif byte == 43 then -- +
			lease.first, lease.admitted = count + 1, tonumber(token)
		else
			count = count + 1
			elements[count], lines[count], queues[count] = token, line, queue
		end
	end
	return lease
end

-- The end of a task, whichever way: told to whoever waits for it.
local function tell_watcher(id, record)
	if redis.call('ZREM', WATCHED, id) == 1 then
		redis.call('PUBLISH', ns .. ':ended', id .. '\n' .. record)
	end
end

-- A task with a retention of its own is forgotten by it, and not by its queue's. Before its end it stands there as +inf.
local retained_used
local function retain_own(ids, now)
	if retained_used == nil then
		retained_used = redis.call('EXISTS', RETAINED) == 1
	end
	for _, id in ipairs(retained_used and ids or {}) do
		if redis.call('ZSCORE', RETAINED, id) then
			local stored = redis.call('HGET', TASKS, id)
			redis.call('ZADD', RETAINED, now + (stored and option_of(stored, 'r') or 0), id)
		end
	end
end

-- Of those that have a callback a scheduler submits it: what it needs is kept until then, whatever becomes of the task. The
-- callback's id is another one for each end of a task that is made to run again.
local calling_used
local function call_back(ids)
	if calling_used == nil then
		calling_used = redis.call('EXISTS', CALLING) == 1
	end
	for _, id in ipairs(calling_used and ids or {}) do
		local stored = redis.call('SISMEMBER', CALLING, id) == 1 and redis.call('HGET', TASKS, id)
		if stored then
			local record = redis.call('HGET', RUNS, id)
			local name = 'cb_' .. redis.sha1hex(id .. ' ' .. stored:match('^%d+') .. ' ' .. record:match('^[^\n]*'))
			redis.call('HSET', ns .. ':called', name, ('%s %d\n'):format(id, #stored) .. stored .. record)
			arm_due()
		end
	end
end

-- Notes tasks of one queue as ended, by the letter of their records, which stand in :runs.
local function note_ended(letter, queue, ids, now)
	local name = ENDED[letter]
	retain_own(ids, now)
	call_back(ids)
	if letter == 'S' then
		call_many('RPUSH', ns .. ':succeeded:' .. queue, ids)
	else
		for _, id in ipairs(ids) do
			redis.call('ZADD', ns .. ':' .. name .. ':' .. queue, now, id)
		end
	end
	redis.call('HINCRBY', COUNTERS, name .. ' ' .. queue, #ids)
end

-- Takes ids off the old end of the list of succeeded tasks. Returns how many, and those that were not deleted meanwhile.
local function pop_succeeded(queue, count)
	local popped, ids = redis.call('LPOP', ns .. ':succeeded:' .. queue, count) or {}, {}
	if redis.call('EXISTS', HUSKS .. queue) == 0 then
		return #popped, popped
	end
	for _, id in ipairs(popped) do
		if redis.call('SREM', HUSKS .. queue, id) == 0 then
			ids[#ids + 1] = id
		end
	end
	return #popped, ids
end

local function append(groups, name, value)
	local group = groups[name]
	if group then
		group[#group + 1] = value
	else
		groups[name] = { value }
	end
end

-- Sends elements back to the heads of their lines so that they stand there in the order given.
local function push_head(elements, lines)
	local groups = {}
	for i = #elements, 1, -1 do
		append(groups, lines[i], elements[i])
	end
	for line, group in pairs(groups) do
		open_line(line)
		call_many('RPUSH', QUEUE .. line, group)
	end
end

-- The slot holds no task of these queues any more: another may take one.
local function free_holder(slot, lease, kept, touched)
	local holds = {}
	for _, line in ipairs(kept.lines) do
		holds[queue_of_line(line)] = true
	end
	for _, queue in ipairs(lease.queues or {}) do
		if not holds[queue] then
			holds[queue] = true -- looked at
			if redis.call('SREM', HOLDERS .. queue, slot) == 1 then
				touched[queue] = true
			end
		end
	end
end

-- The record of a task that waits again, under an element that no tombstone has: its id may have been in use before and
-- forgotten while an element of the old one still stands in a line. The number behind ~ goes on.
local withdrawn_used = {}
local function told_apart(queue, id, record)
	if withdrawn_used[queue] == nil then
		withdrawn_used[queue] = redis.call('EXISTS', WITHDRAWN .. queue) == 1
	end
	if not withdrawn_used[queue] then
		return record
	end
	local letter, executions, rest = record:match('^(%a) (%d+)(.*)$')
	executions = tonumber(executions)
	while redis.call('SISMEMBER', WITHDRAWN .. queue, element_with(id, executions)) == 1 do
		executions = executions + 1
	end
	return letter .. ' ' .. digits(executions) .. rest
end

-- Settles the elements of a lease that have an outcome: ended ones are filed, R goes to the tail of its line or waits for
-- its time, P and B go to the head. One whose cancellation is noted ends as cancelled instead of running again. Returns
-- what is left {elements, lines} and the counts {settled, ended, returned}; rings where something was put, or a slot of a
-- queue with a max_active is free again.
local function settle(slot, lease, outcomes, lists, now)
	local kept, back = { elements = {}, lines = {} }, { elements = {}, lines = {} }
	local count = { settled = 0, ended = 0, returned = 0 }
	local runs, tails, touched = {}, {}, {}
	local ended = { S = {}, D = {}, C = {} }
	-- one by one: of several keys, a cluster's node that is being given our slot refuses to speak when one is missing
	local cancels = redis.call('EXISTS', CANCELS) == 1
	local watched = redis.call('EXISTS', WATCHED) == 1
	local news = is_listened_to() and {}

	for i, element in ipairs(lease.elements) do
		local record, line, queue = outcomes[element], lease.lines[i], lease.queues[i]
		if not record then
			kept.elements[#kept.elements + 1] = element
			kept.lines[#kept.lines + 1] = line
		else
			local letter, id = record:sub(1, 1), id_of(element)
			if cancels and redis.call('SREM', CANCELS, id) == 1 then
				redis.call('SREM', FORCED, id)
				if not ENDED[letter] then
					record = cancelled_record(letter == 'B' and redis.call('HGET', RUNS, id) or record, now)
					letter = 'C'
				end
			end
			count.settled = count.settled + 1
			if news then
				local waits = letter == 'P' or letter == 'B' or letter == 'R' and due_of(record) == '0'
				news[#news + 1] = (waits and 'P ' or letter .. ' ') .. id
			end
			if letter == 'R' or letter == 'P' then
				record = told_apart(queue, id, record)
			end
			if letter ~= 'B' then
				runs[#runs + 1] = id
				runs[#runs + 1] = record
			end
			if ENDED[letter] then
				count.ended = count.ended + 1
				append(ended[letter], queue, id)
				if watched then
					tell_watcher(id, record)
				end
			elseif letter == 'R' then
				local due = due_of(record)
				if due == '0' then
					append(tails, line, element_of(id, record))
					touched[queue] = true
				else
					schedule(RETRYING .. queue, due, element_of(id, record))
				end
			else
				count.returned = count.returned + 1
				back.elements[#back.elements + 1] = letter == 'P' and element_of(id, record) or element
				back.lines[#back.lines + 1] = line
				touched[queue] = true
			end
		end
	end

	call_many('HSET', RUNS, runs)
	for letter, groups in pairs(ended) do
		for queue, ids in pairs(groups) do
			note_ended(letter, queue, ids, now)
		end
	end
	for line, elements in pairs(tails) do
		push_tail(line, lists[line], elements)
	end
	push_head(back.elements, back.lines)
	if redis.call('EXISTS', LIMITED) == 1 then
		free_holder(slot, lease, kept, touched)
	end
	for queue in pairs(touched) do
		ring(queue, lists[queue])
	end
	if news then
		tell_listeners(news)
	end
	return kept, count
end

-- Makes tasks of documents from a plain list: stores them under ids that continue id_base (18 characters) with a number
-- (below 1,024), counts them. Returns the ids.
local BASE_32 = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
local function make_tasks(queue, documents, id_base, number, now)
	local head = ('%s 0 l 0 %s\n'):format(digits(now), queue)
	local ids, values = {}, {}
	for i, document in ipairs(documents) do
		local high, low = math.floor(number / 32) % 32 + 1, number % 32 + 1
		local id = id_base .. BASE_32:sub(high, high) .. BASE_32:sub(low, low)
		number = number + 1
		ids[i] = id
		values[2 * i - 1] = id
		values[2 * i] = head .. document
	end
	call_many('HSET', TASKS, values)
	redis.call('HINCRBY', COUNTERS, 'submitted', #documents)
	redis.call('SADD', QUEUES, queue)
	return ids
end
