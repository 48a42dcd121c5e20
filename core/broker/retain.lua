#!lua flags=allow-oom
-- with lease.lua
-- retain: drops ended tasks that are older or more than their queue's retention keeps, the oldest first. When there was
-- nothing to drop: also watchers whose time is over, and the leases of nodes that have been gone for an hour.
-- KEYS    {ns}
-- ARGV    limit node_timeout_ms   limit: most to drop of one queue and state in this call
--         (queue succeeded_ms dead_ms cancelled_ms max)…
-- returns how many tasks were dropped: not 0: there may be more.

local limit, node_timeout = tonumber(ARGV[1]), tonumber(ARGV[2])
local now, dropped = now_ms(), 0
local GONE_MS = 3600 * 1000

-- A `unique` value is nobody's any more when its task is forgotten.
local function free_unique(ids)
	for _, id in ipairs(ids) do
		local stored = redis.call('HGET', TASKS, id)
		local unique = stored and option_of(stored, 'u')
		if unique and redis.call('HGET', UNIQUE, unique) == id then
			redis.call('HDEL', UNIQUE, unique)
		end
	end
end

-- Those that have a retention of their own, which is not over yet, outlive their queue's lists.
local OUTLIVED, OWN_LIMIT = ns .. ':outlived', 20
local function without_outlived(ids)
	local left = {}
	for _, id in ipairs(ids) do
		local score = redis.call('ZSCORE', RETAINED, id)
		if score then
			redis.call('ZREM', RETAINED, id)
			redis.call('ZADD', OUTLIVED, score, id)
		else
			left[#left + 1] = id
		end
	end
	return left
end

local unique_used, retained_used = redis.call('EXISTS', UNIQUE) == 1, redis.call('EXISTS', RETAINED) == 1
local function forget(ids)
	if retained_used then
		ids = without_outlived(ids)
	end
	if unique_used then
		free_unique(ids)
	end
	call_many('HDEL', TASKS, ids)
	call_many('HDEL', RUNS, ids)
	call_many('HDEL', LOGS, ids)
	call_many('SREM', CALLING, ids)
	dropped = dropped + #ids
end

local function finished_by(record, time)
	local finished = record and record:match('^%a %S+ %S+ %S+ %S+ %S+ (%d+)')
	return not finished or tonumber(finished) <= time
end

local function retain_succeeded(queue, keep_ms, max)
	local key, time = ns .. ':succeeded:' .. queue, now - keep_ms
	local count = math.min(redis.call('LLEN', key) - max, limit)
	if count <= 0 then
		local oldest = redis.call('LINDEX', key, 0)
		if not oldest or not finished_by(redis.call('HGET', RUNS, oldest), time) then
			return
		end
		local records = redis.call('HMGET', RUNS, unpack(redis.call('LRANGE', key, 0, limit - 1)))
		count = 1
		while count < #records and finished_by(records[count + 1], time) do
			count = count + 1
		end
	end
	local popped, ids = pop_succeeded(queue, count)
	forget(ids)
	dropped = dropped + popped - #ids
end

local function retain_sorted(key, keep_ms, max)
	local count = math.min(redis.call('ZCARD', key) - max, limit)
	local ids
	if count > 0 then
		ids = redis.call('ZRANGE', key, 0, count - 1)
	else
		ids = redis.call('ZRANGEBYSCORE', key, '-inf', now - keep_ms, 'LIMIT', 0, limit)
	end
	call_many('ZREM', key, ids)
	forget(ids)
end

local function take_off_list(state, queue, id)
	local key = ns .. ':' .. state .. ':' .. queue
	if state == 'succeeded' then
		redis.call('LREM', key, 1, id) -- walks the list, hence so few a call
	else
		redis.call('ZREM', key, id)
	end
end

-- Forgets those whose own retention is over. listed: they still stand in their queue's lists.
local function sweep_own(zset, listed)
	for _, id in ipairs(redis.call('ZRANGEBYSCORE', zset, '-inf', now, 'LIMIT', 0, OWN_LIMIT)) do
		local stored, record = redis.call('HGET', TASKS, id), redis.call('HGET', RUNS, id)
		local state = record and ENDED[record:sub(1, 1)]
		redis.call('ZREM', zset, id)
		if stored and not state then
			redis.call('ZADD', RETAINED, '+inf', id) -- it was made to run again
		elseif stored then
			if listed then
				take_off_list(state, queue_of(stored), id)
			end
			forget({ id })
		end
	end
end

-- A node that holds leases and never said that it lives gets a time as well, so that it can be missed.
local function sweep_leases()
	local leases, keep = redis.call('HGETALL', LEASES), {}
	for i = 1, #leases, 2 do
		local slot, node = leases[i], leases[i]:match('^[^/]+')
		local alive_until = redis.call('ZSCORE', ALIVE, node)
		if not alive_until then
			redis.call('ZADD', ALIVE, now + node_timeout, node)
		elseif tonumber(alive_until) < now - GONE_MS then
			if leases[i + 1]:find('^%d+ %-?%d+$') then
				redis.call('HDEL', LEASES, slot)
			else
				keep[node] = true
			end
		end
	end
	for _, node in ipairs(redis.call('ZRANGEBYSCORE', ALIVE, '-inf', '(' .. digits(now - GONE_MS))) do
		if not keep[node] then
			redis.call('ZREM', ALIVE, node)
			redis.call('HDEL', NODES, node)
		end
	end
end

for i = 3, #ARGV, 5 do
	local queue, max = ARGV[i], tonumber(ARGV[i + 4])
	retain_succeeded(queue, tonumber(ARGV[i + 1]), max)
	retain_sorted(ns .. ':dead:' .. queue, tonumber(ARGV[i + 2]), max)
	retain_sorted(ns .. ':cancelled:' .. queue, tonumber(ARGV[i + 3]), max)
end
sweep_own(RETAINED, true)
sweep_own(OUTLIVED, false)
if dropped == 0 then
	redis.call('ZREMRANGEBYSCORE', WATCHED, '-inf', now)
	sweep_leases()
end
return dropped
