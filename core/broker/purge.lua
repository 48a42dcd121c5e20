#!lua flags=allow-oom
-- with lease.lua
-- purge: forgets the tasks of a queue that are in one state, without looking at each.
-- KEYS    {ns}
-- ARGV    queue state limit       state: P in its list, W, R, S, D, C; limit: most in this call of each list
--         n (queue list)×n        the plain lists of this database, of all queues
-- returns {forgotten, more}: more 1: this was not all. Documents of the plain list count as pending tasks.

local queue, state, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local list = read_lists(4)[queue]
local now = now_ms()
local forgotten, more = 0, 0

local function forget(ids)
	call_many('HDEL', TASKS, ids)
	call_many('HDEL', RUNS, ids)
	call_many('HDEL', LOGS, ids)
	call_many('SREM', CALLING, ids)
	forgotten = forgotten + #ids
end

-- They never end: whoever waits for that hears that they are cancelled.
local function forget_live(elements)
	local ids = {}
	for i, element in ipairs(elements) do
		ids[i] = id_of(element)
	end
	if redis.call('EXISTS', WATCHED) == 1 then
		for _, id in ipairs(ids) do
			tell_watcher(id, cancelled_record(nil, now))
		end
	end
	redis.call('HINCRBY', COUNTERS, 'deleted ' .. queue, #ids)
	forget(ids)
end

local function purge_list(key)
	local popped, live = redis.call('RPOP', key, limit) or {}, {}
	for _, element in ipairs(popped) do
		element = without_ticket(element)
		if redis.call('SREM', WITHDRAWN .. queue, element) == 0 then
			live[#live + 1] = element
		end
	end
	forget_live(live)
	more = #popped == limit and 1 or more
end

local function purge_plain_list()
	local popped = redis.pcall('RPOP', list, limit)
	if popped and not popped.err and #popped > 0 then
		redis.call('HINCRBY', COUNTERS, 'taken ' .. queue, #popped)
		forgotten = forgotten + #popped
		more = #popped == limit and 1 or more
	end
end

local function purge_sorted(key, what)
	local members = redis.call('ZRANGE', key, 0, limit - 1)
	call_many('ZREM', key, members)
	what(members)
	more = #members == limit and 1 or 0
end

local function purge_succeeded()
	local popped, ids = pop_succeeded(queue, limit)
	forget(ids)
	more = popped == limit and 1 or 0
end

if state == 'P' then
	for _, line in ipairs(lines_of(queue)) do
		purge_list(QUEUE .. line)
		purge_list(ASIDE .. line)
	end
	if list then
		purge_plain_list()
	end
elseif state == 'W' then
	purge_sorted(SCHEDULED .. queue, forget_live)
elseif state == 'R' then
	purge_sorted(RETRYING .. queue, forget_live)
elseif state == 'S' then
	purge_succeeded()
else
	purge_sorted(ns .. ':' .. ENDED[state] .. ':' .. queue, forget)
end
if forgotten > 0 and is_listened_to() then
	tell_listeners({ ('- %d %s'):format(forgotten, queue) })
end
return { forgotten, more }
