#!lua flags=no-writes
-- with lease.lua
-- page: looks at the tasks of a queue that stand in one place, from where the last look ended.
-- KEYS    {ns}
-- ARGV    queue place at last limit bare
--         place: A in workers' hands, P in its list, H set aside (its class is paused), W, R, D, C, S
--         at, last: where the last look ended ('': from the start); limit: most to look at; bare 1: ids only
-- returns {scanned, at, last, (id, at, last, stored, record, cancel, runner)…}: the first `at` '': that was all; those of a
--         task are where a look behind it begins; runner: the slot that runs it as far as the broker can tell (look), or ''.
-- D, C and S come latest first, W and R soonest first, P and H as they are taken. Few bytes are read in one call, however
-- large the documents are.

local BYTES = 4 * 1024 * 1024
local queue, place, at, last, limit, bare = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6] == '1'
local answer, bytes = { 0, '', '' }, 0

local function is_less(a, b) -- by bytes; `<` would go by the locale
	for i = 1, math.min(#a, #b) do
		if a:byte(i) ~= b:byte(i) then
			return a:byte(i) < b:byte(i)
		end
	end
	return #a < #b
end

-- Where in a sorted set, in its order or backwards, that begins which comes behind (score, member), whether that is
-- still there or not.
local function index_behind(key, score, member, backwards)
	local command = backwards and 'ZREVRANGE' or 'ZRANGE'
	local before = backwards and redis.call('ZCOUNT', key, '(' .. score, '+inf') or redis.call('ZCOUNT', key, '-inf', '(' .. score)
	local low, high = before, before + redis.call('ZCOUNT', key, score, score)
	while low < high do
		local middle = math.floor((low + high) / 2)
		local other = redis.call(command, key, middle, middle)[1]
		local behind
		if backwards then
			behind = is_less(other, member)
		else
			behind = is_less(member, other)
		end
		if behind then
			high = middle
		else
			low = middle + 1
		end
	end
	return low
end

-- Returns elements and, for each, the `at` and `last` with which a look behind it begins.
local function from_sorted(key, backwards)
	local elements, ats, start = {}, {}, 0
	if at ~= '' then
		start = index_behind(key, at, last, backwards)
	end
	local found = redis.call(backwards and 'ZREVRANGE' or 'ZRANGE', key, start, start + limit - 1, 'WITHSCORES')
	for i = 1, #found, 2 do
		elements[#elements + 1], ats[#ats + 1] = found[i], found[i + 1]
	end
	return elements, ats, elements
end

-- How many elements, counted from the head, the last look has seen: its last one may have moved towards the head, and
-- when it is gone, so are those before it.
local function seen_in_list(key, seen)
	if seen == 0 or redis.call('LINDEX', key, -seen) == last then
		return seen
	end
	local index = redis.call('LPOS', key, last, 'RANK', -1, 'MAXLEN', seen + 1000)
	return index and redis.call('LLEN', key) - index or 0
end

-- `at` is the priority of the line and how many were seen of it.
local function from_lines(prefix)
	local elements, ats, lasts = {}, {}, {}
	local level, seen = at:match('^(%d)(%d+)$')
	for _, line in ipairs(lines_of(queue)) do
		local own, key = line:match(':(%d)$') or '5', prefix .. line
		if #elements < limit and (not level or own <= level) then
			local start = own == level and seen_in_list(key, tonumber(seen)) or 0
			local found = redis.call('LRANGE', key, -start - limit + #elements, -start - 1)
			for i = #found, 1, -1 do
				local n = #elements + 1
				elements[n], ats[n] = without_ticket(found[i]), own .. digits(start + #found - i + 1)
				lasts[n] = found[i]
			end
		end
	end
	return elements, ats, lasts
end

-- Numbered as they ended: retention only ever takes the first of them away.
local function from_succeeded(key)
	local elements, ats = {}, {}
	local total = tonumber(redis.call('HGET', COUNTERS, 'succeeded ' .. queue) or 0)
	local behind = at == '' and 1 or total - tonumber(at) + 2
	local found = redis.call('LRANGE', key, -behind - limit + 1, -behind)
	for i = #found, 1, -1 do
		elements[#elements + 1] = found[i]
		ats[#elements] = digits(total - behind - #elements + 2)
	end
	return elements, ats, elements
end

local runners = {}
local function from_leases()
	local all, elements, ats = {}, {}, {}
	local leases = redis.call('HGETALL', LEASES)
	for n = 1, #leases, 2 do
		local lease = read_lease(leases[n + 1])
		runners[lease.elements[1] or ''] = leases[n]
		for i, element in ipairs(lease.elements) do
			if lease.queues[i] == queue then
				all[#all + 1] = element
			end
		end
	end
	local start = tonumber(at) or 0
	for i = start + 1, math.min(#all, start + limit) do
		elements[#elements + 1], ats[#ats + 1] = all[i], digits(i)
	end
	return elements, ats, elements
end

local function is_withdrawn(element)
	return (place == 'P' or place == 'H') and redis.call('SISMEMBER', WITHDRAWN .. queue, element) == 1
end

local cancels = redis.call('EXISTS', CANCELS) == 1
local function add(element, ...)
	if is_withdrawn(element) then
		return
	end
	local id, stored, cancel = id_of(element), false, 0
	local record = (place == 'S' or not bare) and redis.call('HGET', RUNS, id)
	if place == 'S' and (not record or record:sub(1, 1) ~= 'S') then
		return -- deleted, and may be in use anew
	end
	if not bare then
		stored = redis.call('HGET', TASKS, id)
		if not stored then
			return
		end
		cancel = cancels and redis.call('SISMEMBER', CANCELS, id) or 0
		bytes = bytes + #stored + (record and #record or 0)
	end
	local n = #answer
	answer[n + 1], answer[n + 2], answer[n + 3] = id, ...
	answer[n + 4], answer[n + 5], answer[n + 6], answer[n + 7] = stored, record, cancel, runners[element] or ''
end

local sources = {
	A = function() return from_leases() end,
	P = function() return from_lines(QUEUE) end,
	H = function() return from_lines(ASIDE) end,
	W = function() return from_sorted(SCHEDULED .. queue, false) end,
	R = function() return from_sorted(RETRYING .. queue, false) end,
	D = function() return from_sorted(ns .. ':dead:' .. queue, true) end,
	C = function() return from_sorted(ns .. ':cancelled:' .. queue, true) end,
	S = function() return from_succeeded(ns .. ':succeeded:' .. queue) end,
}
local elements, ats, lasts = sources[place]()
local looked = 0
while looked < #elements and bytes < BYTES do
	looked = looked + 1
	add(elements[looked], ats[looked], lasts[looked])
end
answer[1] = looked
if looked > 0 and (looked < #elements or #elements == limit) then
	answer[2], answer[3] = ats[looked], lasts[looked]
end
return answer
