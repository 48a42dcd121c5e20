#!lua
-- log: adds to what a task has logged; of more than `most` bytes the oldest lines are dropped.
-- KEYS    {ns}
-- ARGV    id most lines           lines: each ends with a line feed
-- returns 1, or 0 when there is no such task.
-- A value of :logs is how many bytes were dropped in front, a line feed, and the lines.

local id, most = ARGV[1], tonumber(ARGV[2])
if redis.call('HEXISTS', TASKS, id) == 0 then
	return 0
end

local dropped, lines = (redis.call('HGET', LOGS, id) or '0\n'):match('^(%d+)\n(.*)$')
lines = lines .. ARGV[3]
if #lines > most then
	local cut = lines:find('\n', #lines - most, true) or #lines
	dropped = digits(dropped + cut)
	lines = lines:sub(cut + 1)
end
redis.call('HSET', LOGS, id, dropped .. '\n' .. lines)
return 1
