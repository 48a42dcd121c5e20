#!lua flags=allow-oom
-- with lease.lua
-- look: looks tasks up.
-- KEYS    {ns}
-- ARGV    watch_ms (id watch)…    watch 1: announce the end on the channel {ns}:ended, for watch_ms from now
-- returns (stored, record, state, cancel, runner)…: stored false: not known; record false: none; state: the letter of an ended
--         task's record, else W scheduled, R retrying, P pending (or held by a worker); cancel 1: a cancellation is noted;
--         runner: where several nodes live, the slot that runs it, else ''. Workers tell only their own node when they start
--         a task; what the broker can tell is that the first one of a lease was started.

local ids = {}
for i = 2, #ARGV, 2 do
	ids[#ids + 1] = ARGV[i]
end
local cancels = redis.call('EXISTS', CANCELS) == 1

local function state_of(id, stored, record)
	local letter = record and record:sub(1, 1)
	if letter and ENDED[letter] then
		return letter
	end
	local run_at, queue = stored:match('^%S+ (%S+) %S+ %S+ (%S+)')
	local element = element_of(id, record)
	if letter == 'R' and due_of(record) ~= '0' and redis.call('ZSCORE', RETRYING .. queue, element) then
		return 'R'
	end
	if run_at ~= '0' and redis.call('ZSCORE', SCHEDULED .. queue, element) then
		return 'W'
	end
	return 'P'
end

local runners
local function runner_of(element)
	if not runners then
		runners = {}
		local leases = redis.call('ZCARD', ALIVE) > 1 and redis.call('HGETALL', LEASES) or {}
		for i = 1, #leases, 2 do
			local lease = leases[i + 1]
			for token in lease:sub(#lease:match('^%d+ %-?%d+') + 1):gmatch('%S+') do
				if not token:find('^[@+]') then
					runners[token] = leases[i]
					break
				end
			end
		end
	end
	return runners[element] or ''
end

local answer = {}
for i, id in ipairs(ids) do
	local stored, record, state, cancel, runner = redis.call('HGET', TASKS, id), false, 'P', 0, ''
	if stored then
		record = redis.call('HGET', RUNS, id)
		state = state_of(id, stored, record)
		cancel = cancels and redis.call('SISMEMBER', CANCELS, id) or 0
		runner = state == 'P' and runner_of(element_of(id, record)) or ''
		if ARGV[2 * i + 1] == '1' and not ENDED[state] then
			redis.call('ZADD', WATCHED, now_ms() + tonumber(ARGV[1]), id)
		end
	end
	local last = #answer
	answer[last + 1], answer[last + 2], answer[last + 3], answer[last + 4] = stored, record, state, cancel
	answer[last + 5] = runner
end
return answer
