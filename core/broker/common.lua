-- common: what the scripts share. It is put between the first line of a script (`#!lua …`) and the rest of it when the
-- script is loaded. KEYS[1] is the namespace in braces; every key of ours is made from it and lies in its slot.
-- Each call of a script makes these functions anew: what submit, the one that is called for each task, does not need stands
-- in lease.lua.
--
-- An element is what stands in queues and leases: `id`, or `id~executions` once an execution is over. In the list of a
-- queue that also has a plain list it may carry a ticket, `element^n`: not before n were taken from the plain list.
-- A line is one priority of a queue: `queue` for 5, else `queue:priority`; its list is QUEUE .. line.

local ns = KEYS[1]
local TASKS, RUNS, COUNTERS, QUEUES = ns .. ':tasks', ns .. ':runs', ns .. ':counters', ns .. ':queues'
local LOGS, CALLING = ns .. ':logs', ns .. ':calling' -- CALLING: the tasks that have a callback
local QUEUE, BELL, WITHDRAWN = ns .. ':queue:', ns .. ':bell:', ns .. ':withdrawn:'
local SCHEDULED, LEVELS = ns .. ':scheduled:', ns .. ':levels'

local function now_ms()
	local time = redis.call('TIME')
	return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Numbers are written by this: `..` would turn large ones into 1.7e+15.
local function digits(number)
	return string.format('%.0f', number)
end

-- Whether somebody listens to events; nobody does most of the time, and then nothing is put together for them.
local function is_listened_to()
	return redis.call('EXISTS', ns .. ':listened') == 1
end

-- Tells who listens what has become of tasks: lines `letter id`, or `- count queue` of such that are gone; of very many only how
-- many there were.
local function tell_listeners(lines)
	local most = 100
	if #lines == 0 then
		return
	end
	local more = #lines > most and '\n+ ' .. (#lines - most) or ''
	redis.call('PUBLISH', ns .. ':events', table.concat(lines, '\n', 1, math.min(#lines, most)) .. more)
end

-- One command for many values: unpack fails near 8,000. Returns the last reply.
local function call_many(command, key, values)
	local reply
	for first = 1, #values, 1000 do
		reply = redis.call(command, key, unpack(values, first, math.min(first + 999, #values)))
	end
	return reply
end

local function read_names(position)
	local names = {}
	for i = 1, math.min(tonumber(ARGV[position]), #ARGV) do
		names[i] = ARGV[position + i]
	end
	return names, position + #names + 1
end

-- queue → its plain list in this database, from `n queue list queue list …`.
local function read_lists(position)
	local lists = {}
	local last = position + 2 * math.min(tonumber(ARGV[position]), #ARGV)
	for i = position + 1, last, 2 do
		lists[ARGV[i]] = ARGV[i + 1]
	end
	return lists, last + 1
end

-- Plain lists are foreign keys: one of the wrong type counts as empty and aborts nothing (scripts do not roll back).
local function plain_length(list)
	local length = redis.pcall('LLEN', list)
	return type(length) == 'number' and length or 0
end

local function put_token(key)
	if redis.call('LLEN', key) == 0 then
		redis.call('LPUSH', key, 1)
	end
end

-- Says "look again" to whoever watches over due times or over a plain list.
local function arm_due()
	put_token(ns .. ':armed:due')
end

-- The priorities other than 5 that the queue has had so far, as digits, the highest first. Where nobody gives priorities,
-- this costs one look-up a call.
local levels_used
local function levels_of(queue)
	if levels_used == nil then
		levels_used = redis.call('EXISTS', LEVELS) == 1
	end
	return levels_used and redis.call('HGET', LEVELS, queue) or ''
end

local function queue_of_line(line)
	local mark = line:find(':', 1, true)
	return mark and line:sub(1, mark - 1) or line
end

-- Before something is put into a line.
local function open_line(line)
	if not line:find(':', 1, true) then
		return
	end
	local queue, level = line:match('^(.*):(%d)$')
	local levels = levels_of(queue)
	if not levels:find(level, 1, true) then
		local higher, lower = levels:match('^([' .. level .. '-9]*)(.*)$')
		redis.call('HSET', LEVELS, queue, higher .. level .. lower)
		levels_used = true
	end
end

-- Puts elements behind everything that waits in a line. Where that is the queue's own and it has a plain list, also behind
-- what stands there now. Returns how many elements the line has then.
local function push_tail(line, list, elements)
	local ahead = list and plain_length(list) or 0
	if ahead > 0 then
		local taken = redis.call('HGET', COUNTERS, 'taken ' .. line)
		local ticket = '^' .. digits((taken or 0) + ahead)
		for i = 1, #elements do
			elements[i] = elements[i] .. ticket
		end
	end
	open_line(line)
	return call_many('LPUSH', QUEUE .. line, elements)
end

-- zset: SCHEDULED .. queue or RETRYING .. queue.
local function schedule(zset, due, element)
	redis.call('ZADD', zset, due, element)
	if redis.call('ZRANGE', zset, 0, 0)[1] == element then
		arm_due()
	end
end
