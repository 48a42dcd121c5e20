#!lua
-- with demands.lua
-- submit: stores tasks and puts them where they wait; all of them or, when Redis is full, none.
-- KEYS    {ns}
-- ARGV    n (queue list)×n        the plain lists of this database, of all queues
--         n line×n                the lines that are meant below
--         n demand×n              what is unusual, in any order; 0 in the usual case:
--                                 `options`           heads have options other than priority
--                                 `depth queue most`  no more tasks may wait in that queue
--                                 `array first count key`  so many tasks from that one on (counted from 1) are stored all
--                                                     or none; key: they were submitted under it (Idempotency-Key), or empty
--                                 `single first 1 key`  the same of one that was no array
--         (id line_number run_at_ms stored)…      line_number: negative when the id is the submitter's own, and so may
--                                 have been in use before; run_at 0: at once; stored: head line and document
-- returns one character a task, then `\n` and an id for each 2 and 3, in their order:
--         0 stored · 1 the id was known and nothing changed · 2 another one that has not ended is the one of its `unique`
--         value · 3 stored before, under the same key · 4 its queue is full · 5 its key was used for another body.

local lists, lines, demands, position
lists, position = read_lists(1)
lines, position = read_names(position)
demands, position = read_names(position)
local tails, answer, stored, other_ids = {}, {}, 0, {}
local refuse, note, finish

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
if #demands > 0 then
	refuse, note, finish = heed_demands(demands, position, lines, lists, answer)
end
for i = position, #ARGV, 4 do
	local id, number = ARGV[i], tonumber(ARGV[i + 1])
	local nth = #answer + 1
	local letter, other
	if refuse then
		letter, other = refuse(nth)
	end
	if letter then
		answer[nth] = letter
		if letter == '2' or letter == '3' then
			other_ids[#other_ids + 1] = '\n' .. other
		end
	elseif redis.call('HSETNX', TASKS, id, ARGV[i + 3]) == 0 then
		answer[nth] = '1'
	else
		local line = lines[math.abs(number)]
		place(line, number < 0 and unused_element(queue_of_line(line), id) or id, ARGV[i + 2])
		stored = stored + 1
		answer[nth] = '0'
		if note then
			note(nth)
		end
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
if finish then
	finish()
end
return table.concat(answer) .. table.concat(other_ids)
