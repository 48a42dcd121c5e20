#!lua flags=allow-oom
-- with lease.lua
-- due: moves tasks whose time has come to the tails of their lines, and ends those that wait although their `expires_in` is
-- over.
-- KEYS    {ns}
-- ARGV    limit                   most to move in this call
--         n (queue list)×n        the plain lists of this database, of all queues
--         n queue×n               whose tasks
-- returns {moved and ended, milliseconds until the next one is due; -1: nothing is scheduled, (queue, number ended)…}.

local limit = tonumber(ARGV[1])
local lists, queues, position
lists, position = read_lists(2)
queues = read_names(position)
local now, moved, earliest = now_ms(), 0, nil

local function push_to_lines(queue, elements)
	if levels_of(queue) == '' then
		push_tail(queue, lists[queue], elements)
		return
	end
	local ids, groups = {}, {}
	for i, element in ipairs(elements) do
		ids[i] = id_of(element)
	end
	for i, stored in ipairs(redis.call('HMGET', TASKS, unpack(ids))) do
		append(groups, line_of(queue, stored), elements[i])
	end
	for line, group in pairs(groups) do
		push_tail(line, lists[line], group)
	end
end

local function move(zset, queue)
	local elements = redis.call('ZRANGEBYSCORE', zset, '-inf', now, 'LIMIT', 0, limit - moved)
	if #elements > 0 then
		moved = moved + #elements
		call_many('ZREM', zset, elements)
		push_to_lines(queue, elements)
		put_token(BELL .. queue)
		if is_listened_to() then
			local news = {}
			for i, element in ipairs(elements) do
				news[i] = 'P ' .. id_of(element)
			end
			tell_listeners(news)
		end
	end
end

local function consider(zset)
	local score = redis.call('ZRANGE', zset, 0, 0, 'WITHSCORES')[2]
	if score then
		earliest = math.min(earliest or math.huge, tonumber(score))
	end
end

-- One that a worker holds is its worker's: it looks at the clock before it starts one.
local expired = {}
local function expire(id)
	local stored, record = redis.call('HGET', TASKS, id), redis.call('HGET', RUNS, id)
	if not stored or (record and ENDED[record:sub(1, 1)]) then
		return
	end
	local queue = queue_of(stored)
	if leave_line(queue, element_of(id, record)) then
		local dead = expired_record(record, now)
		redis.call('HSET', RUNS, id, dead)
		note_ended('D', queue, { id }, now)
		tell_watcher(id, dead)
		expired[queue] = (expired[queue] or 0) + 1
	end
end

local over = redis.call('ZRANGEBYSCORE', EXPIRING, '-inf', now, 'LIMIT', 0, limit)
for _, id in ipairs(over) do
	expire(id)
end
call_many('ZREM', EXPIRING, over)
moved = #over
consider(EXPIRING)
for _, queue in ipairs(queues) do
	for _, zset in ipairs({ SCHEDULED .. queue, RETRYING .. queue }) do
		move(zset, queue)
		consider(zset)
	end
end
local answer = { moved, earliest and math.max(0, earliest - now) or -1 }
for queue, count in pairs(expired) do
	answer[#answer + 1] = queue
	answer[#answer + 1] = count
end
return answer
