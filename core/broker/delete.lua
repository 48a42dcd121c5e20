#!lua flags=allow-oom
-- with lease.lua
-- delete: forgets tasks, ended ones and those that wait.
-- KEYS    {ns}
-- ARGV    id…
-- returns one character a task: 0 no such task, 1 it is forgotten, 2 a worker holds it: nothing happened.
-- One in a queue's list stays there as a tombstone, as a cancelled one does. An id in the list of succeeded ones stays as
-- well, until retention comes to it. Who waits for the end of one that is deleted hears that it is cancelled.

local now = now_ms()
local gone = {} -- of each queue

local function delete(id)
	local stored = redis.call('HGET', TASKS, id)
	if not stored then
		return '0'
	end
	local record = redis.call('HGET', RUNS, id)
	local queue, ended = queue_of(stored), record and ENDED[record:sub(1, 1)]
	if not ended then
		if not leave_line(queue, element_of(id, record)) then
			return '2'
		end
		redis.call('HINCRBY', COUNTERS, 'deleted ' .. queue, 1)
		tell_watcher(id, cancelled_record(record, now))
	elseif ended == 'succeeded' then
		redis.call('SADD', HUSKS .. queue, id)
	else
		redis.call('ZREM', ns .. ':' .. ended .. ':' .. queue, id)
	end
	redis.call('HDEL', TASKS, id)
	redis.call('HDEL', RUNS, id)
	redis.call('HDEL', LOGS, id)
	redis.call('SREM', CALLING, id)
	gone[queue] = (gone[queue] or 0) + 1
	return '1'
end

local answer = {}
for i = 1, #ARGV do
	answer[i] = delete(ARGV[i])
end
if next(gone) and is_listened_to() then
	local news = {}
	for queue, count in pairs(gone) do
		news[#news + 1] = ('- %d %s'):format(count, queue)
	end
	tell_listeners(news)
end
return table.concat(answer)
