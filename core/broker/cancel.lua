#!lua flags=allow-oom
-- with lease.lua
-- cancel: ends tasks that wait; of those that a worker holds, notes that they should end.
-- KEYS    {ns}
-- ARGV    force id…               force 1: those that a worker holds are to be ended at once
-- returns one character a task: 0 no such task, 1 it waited and is cancelled now, 2 a worker holds it: noted, 3 it had
--         ended.
-- One in a queue's list stays there as a tombstone: its element goes into the withdrawn set, which taking looks at.

local now = now_ms()

local function cancel(id)
	local stored = redis.call('HGET', TASKS, id)
	if not stored then
		return '0'
	end
	local record = redis.call('HGET', RUNS, id)
	if record and ENDED[record:sub(1, 1)] then
		return '3'
	end
	local queue, element = queue_of(stored), element_of(id, record)
	if not leave_line(queue, element) then
		redis.call('SADD', CANCELS, id)
		if ARGV[1] == '1' then
			redis.call('SADD', FORCED, id)
		end
		return '2'
	end
	local cancelled = cancelled_record(record, now)
	redis.call('HSET', RUNS, id, cancelled)
	note_ended('C', queue, { id }, now)
	tell_watcher(id, cancelled)
	if is_listened_to() then
		tell_listeners({ 'C ' .. id })
	end
	return '1'
end

local answer = {}
for i = 2, #ARGV do
	answer[#answer + 1] = cancel(ARGV[i])
end
return table.concat(answer)
