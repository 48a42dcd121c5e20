#!lua flags=allow-oom
-- with lease.lua
-- change: gives tasks that wait another time, priority or queue.
-- KEYS    {ns}
-- ARGV    queue priority run_at   '': as it is; run_at 0: at once, else ms
--         n (queue list)×n        the plain lists of this database, of all queues
--         id…
-- returns one character a task: 0 no such task, 1 changed, 2 a worker holds it, 3 it had ended.
-- The document stays as it came, only its head line is written anew. What stands in a list stays there as a tombstone, and
-- the task gets an element that is told apart from it.

local to_queue, priority, run_at = ARGV[1], ARGV[2], ARGV[3]
local lists, position = read_lists(4)

-- The head line with what is new in it.
local function changed_head(stored, queue, due)
	local created, source, attempts, options, document = stored:match('^(%S+) %S+ (%S+) (%S+) %S+([^\n]*)\n(.*)$')
	local own = priority ~= '' and priority or option_of(stored, 'p') or '5'
	options = options:gsub(' p=%d', '')
	if own ~= '5' then
		options = ' p=' .. own .. options
	end
	return ('%s %s %s %s %s%s\n'):format(created, due, source, attempts, queue, options) .. document -- which may hold NUL
end

local function changed_record(record, executions, due)
	if not record then
		return executions > 0 and ('P %d 0 0 0 0 0 0 -\n'):format(executions)
	end
	local letter, counts, worker, body = record:match('^(%a) %S+ (%S+ %S+ %S+ %S+ %S+) %S+ (%S+)\n(.*)$')
	return ('%s %d %s %s %s\n%s'):format(letter, executions, counts, letter == 'R' and due or '0', worker, body)
end

-- When it is to run, and whether that is for a retry.
local function due_now(queue, element)
	local scheduled = redis.call('ZSCORE', SCHEDULED .. queue, element)
	local retrying = redis.call('ZSCORE', RETRYING .. queue, element)
	local due = run_at ~= '' and run_at or scheduled or retrying or '0'
	return due, retrying and RETRYING or SCHEDULED
end

local news = is_listened_to() and {}
local function change(id)
	local stored, record = redis.call('HGET', TASKS, id), redis.call('HGET', RUNS, id)
	if not stored then
		return '0'
	end
	if record and ENDED[record:sub(1, 1)] then
		return '3'
	end
	local queue, element = queue_of(stored), element_of(id, record)
	local due, zset = due_now(queue, element)
	if not leave_line(queue, element) then
		return '2'
	end
	queue = to_queue ~= '' and to_queue or queue
	local executions = tonumber(element:match('~(%d+)$') or 0)
	while redis.call('SISMEMBER', WITHDRAWN .. queue, element_with(id, executions)) == 1 do
		executions = executions + 1
	end
	stored = changed_head(stored, queue, zset == SCHEDULED and due or '0')
	record = changed_record(record, executions, due)
	element = element_with(id, executions)
	redis.call('HSET', TASKS, id, stored)
	if record then
		redis.call('HSET', RUNS, id, record)
	end
	redis.call('SADD', QUEUES, queue)
	local line = line_of(queue, stored)
	if due == '0' then
		push_tail(line, lists[line], { element })
		put_token(BELL .. queue)
	else
		open_line(line)
		schedule(zset .. queue, due, element)
	end
	if news then
		news[#news + 1] = (due == '0' and 'P ' or zset == SCHEDULED and 'W ' or 'R ') .. id
	end
	return '1'
end

local answer = {}
for i = position, #ARGV do
	answer[#answer + 1] = change(ARGV[i])
end
if news then
	tell_listeners(news)
end
return table.concat(answer)
