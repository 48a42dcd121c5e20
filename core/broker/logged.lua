#!lua flags=no-writes
-- logged: what a task has logged, from some byte on, counted from the first one that it ever logged.
-- KEYS    {ns}
-- ARGV    id from
-- returns {state, next, lines}: state 0 there is no such task, 1 it has not ended, 2 it has; next: what `from` is next time.
-- What was dropped is missing from the lines; they are whole ones.

local id, from = ARGV[1], tonumber(ARGV[2])
if redis.call('HEXISTS', TASKS, id) == 0 then
	return { 0, from, '' }
end

local record = redis.call('HGET', RUNS, id)
local state = record and record:find('^[SDC]') and 2 or 1
local dropped, lines = (redis.call('HGET', LOGS, id) or '0\n'):match('^(%d+)\n(.*)$')
dropped = tonumber(dropped)
return { state, dropped + #lines, lines:sub(math.max(0, from - dropped) + 1) }
