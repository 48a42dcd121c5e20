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

local function forget(ids)
	call_many('HDEL', TASKS, ids)
	call_many('HDEL', RUNS, ids)
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
	forget(redis.call('LPOP', key, count))
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
if dropped == 0 then
	redis.call('ZREMRANGEBYSCORE', WATCHED, '-inf', now)
	sweep_leases()
end
return dropped
