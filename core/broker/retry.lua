#!lua flags=allow-oom
-- with lease.lua
-- retry: lets dead and cancelled tasks run again, their executions counted anew.
-- KEYS    {ns}
-- ARGV    n (queue list)×n        the plain lists of this database, of all queues
--         id…
-- returns one character a task: 0 no such task, 1 it waits in its queue now, 2 it has not ended, 3 it has succeeded.
-- The number of executions behind ~ goes on: an old outcome, or what is left in a list of a cancelled one, is never taken
-- for the new run. The history stays.

local lists, position = read_lists(1)
local tails, answer = {}, {}

local function revive(id)
	local stored = redis.call('HGET', TASKS, id)
	if not stored then
		return '0'
	end
	local record = redis.call('HGET', RUNS, id)
	local letter = record and record:sub(1, 1)
	if not ENDED[letter] then
		return '2'
	end
	if letter == 'S' then
		return '3'
	end
	local queue = queue_of(stored)
	local executions, maximum, body = record:match('^%a (%d+) %d+ %d+ (%d+) [^\n]*\n(.*)$')
	executions = tonumber(executions)
	while redis.call('SISMEMBER', WITHDRAWN .. queue, element_with(id, executions)) == 1 do
		executions = executions + 1
	end
	redis.call('ZREM', ns .. ':' .. ENDED[letter] .. ':' .. queue, id)
	redis.call('SREM', CANCELS, id)
	redis.call('HSET', RUNS, id, ('P %d 0 0 %s 0 0 0 -\n%s'):format(executions, maximum, body))
	append(tails, line_of(queue, stored), element_with(id, executions))
	return '1'
end

local revived, news = 0, {}
for i = position, #ARGV do
	local said = revive(ARGV[i])
	answer[#answer + 1] = said
	if said == '1' then
		revived = revived + 1
		news[revived] = 'P ' .. ARGV[i]
	end
end
for line, elements in pairs(tails) do
	push_tail(line, lists[line], elements)
	put_token(BELL .. line:match('^[^:]+'))
end
if revived > 0 then
	redis.call('HINCRBY', COUNTERS, 'revived', revived)
	if is_listened_to() then
		tell_listeners(news)
	end
end
return table.concat(answer)
