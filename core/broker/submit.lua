#!lua
-- submit: stores tasks and puts them where they wait; all of them or, when Redis is full, none.
-- KEYS    {ns}
-- ARGV    n (queue list)×n        the plain lists of this database, of all queues
--         n line×n                the lines that are meant below
--         (id line_number run_at_ms stored)…      line_number: negative when the id is the submitter's own, and so may
--                                 have been in use before; run_at 0: at once; stored: head line and document
-- returns one character a task: 0 stored, 1 the id was known and nothing changed.

local lists, lines, position
lists, position = read_lists(1)
lines, position = read_names(position)
local tails, answer, stored = {}, {}, 0

local function queue_of_line(line)
	return line:match('^[^:]+')
end

-- The id may have been in use before, cancelled while it waited, and forgotten: its old element still stands in the list
-- and will be skipped. The new one must be told apart from it.
local function unused_element(queue, id)
	local element, executions = id, 0
	while redis.call('SISMEMBER', WITHDRAWN .. queue, element) == 1 do
		executions = executions + 1
		element = id .. '~' .. executions
	end
	if executions > 0 then
		redis.call('HSET', RUNS, id, ('P %d 0 0 0 0 0 0 -\n'):format(executions))
	end
	return element
end

local function place(line, element, run_at)
	if run_at ~= '0' then
		local queue = queue_of_line(line)
		open_line(line)
		redis.call('SADD', QUEUES, queue)
		schedule(SCHEDULED .. queue, run_at, element)
		return
	end
	local tail = tails[line]
	if tail then
		tail[#tail + 1] = element
	else
		tails[line] = { element }
	end
end

local news = is_listened_to() and {}
for i = position, #ARGV, 4 do
	local id, number = ARGV[i], tonumber(ARGV[i + 1])
	if redis.call('HSETNX', TASKS, id, ARGV[i + 3]) == 0 then
		answer[#answer + 1] = '1'
	else
		local line = lines[math.abs(number)]
		place(line, number < 0 and unused_element(queue_of_line(line), id) or id, ARGV[i + 2])
		stored = stored + 1
		answer[#answer + 1] = '0'
		if news then
			news[#news + 1] = (ARGV[i + 2] == '0' and 'P ' or 'W ') .. id
		end
	end
end

if stored > 0 then
	redis.call('HINCRBY', COUNTERS, 'submitted', stored)
end
for _, line in ipairs(lines) do
	local tail = tails[line]
	if tail then
		local queue = queue_of_line(line)
		if push_tail(line, lists[line], tail) == #tail then
			redis.call('SADD', QUEUES, queue) -- it was empty: it may be unknown
		end
		put_token(BELL .. queue)
	end
end
if news then
	tell_listeners(news)
end
return table.concat(answer)
