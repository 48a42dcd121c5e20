-- demands: what submit does beyond storing, for calls that ask for it. It comes behind common.lua in scripts whose second line
-- is `-- with demands.lua`.

-- demands: as submit got them; position: of the first task's arguments; answer: submit's letters, which it fills.
-- Returns three functions. refuse(number): the letter of a task that is not to be stored, else nil, and for letters 2 and 3
-- an id. note(number): after it was stored. finish(): after all were.
local function heed_demands(demands, position, lines, lists, answer)
	local UNIQUE, EXPIRING, RETAINED = ns .. ':unique', ns .. ':expiring', ns .. ':retained'
	local REPLIES, REPLIES_AT = ns .. ':replies', ns .. ':replies:at'
	local REPLIES_MS, REPLIES_MAX = 24 * 3600 * 1000, 100000
	local count = (#ARGV - position + 1) / 4
	local options, most, room, groups, verdicts = false, {}, {}, {}, {}

	local function task(number) -- where its arguments begin
		return position + 4 * (number - 1)
	end

	local function queue_at(number)
		return queue_of_line(lines[math.abs(tonumber(ARGV[task(number) + 1]))])
	end

	for _, demand in ipairs(demands) do
		local shape, first, size, key = demand:match('^(%a+) (%d+) (%d+) (.*)$')
		local queue, depth = demand:match('^depth (%S+) (%d+)$')
		if shape then
			groups[#groups + 1] = { first = tonumber(first), last = first + size - 1, shape = shape,
					key = key ~= '' and key or nil }
		elseif queue then
			most[queue] = tonumber(depth)
		else
			options = true
		end
	end

	local function fill_verdicts(group, verdict)
		for number = group.first, group.last do
			verdicts[number] = verdict
		end
	end

	-- A body that came before under the same key gets the answer that it got then.
	local function repeat_answer(group)
		local documents = {}
		for number = group.first, group.last do
			documents[#documents + 1] = ARGV[task(number) + 3]:match('\n(.*)$')
		end
		group.sum = redis.sha1hex(group.shape .. table.concat(documents, '\n'))
		local kept = redis.call('HGET', REPLIES, group.key)
		if not kept then
			return
		end
		local sum, rest = kept:match('^(%S+) (.*)$')
		if sum ~= group.sum then
			fill_verdicts(group, { letter = '5' })
			return
		end
		local number = group.first
		for letter, id in rest:gmatch('(%d)(%S+)') do
			verdicts[number] = { letter = letter == '0' and '3' or letter, id = id }
			number = number + 1
		end
	end

	local function room_of(queue)
		if not room[queue] then
			local waiting = redis.call('LLEN', QUEUE .. queue) - redis.call('SCARD', WITHDRAWN .. queue)
				+ redis.call('ZCARD', SCHEDULED .. queue) + redis.call('ZCARD', ns .. ':retrying:' .. queue)
			for level in levels_of(queue):gmatch('%d') do
				waiting = waiting + redis.call('LLEN', QUEUE .. queue .. ':' .. level)
			end
			room[queue] = most[queue] - waiting - (lists[queue] and plain_length(lists[queue]) or 0)
		end
		return room[queue]
	end

	-- Keeps room for the tasks of a group that are not known yet; all or none.
	local function keep_room(group)
		local wanted = {}
		for number = group.first, group.last do
			local queue = queue_at(number)
			if most[queue] and not verdicts[number] and redis.call('HEXISTS', TASKS, ARGV[task(number)]) == 0 then
				wanted[queue] = (wanted[queue] or 0) + 1
			end
		end
		for queue, amount in pairs(wanted) do
			if amount > room_of(queue) then
				fill_verdicts(group, { letter = '4' })
				group.key = nil
				return
			end
		end
		for queue, amount in pairs(wanted) do
			room[queue] = room[queue] - amount
		end
	end

	local grouped = {}
	for _, group in ipairs(groups) do
		for number = group.first, group.last do
			grouped[number] = true
		end
		if group.key then
			repeat_answer(group)
		end
	end
	if next(most) then
		for number = 1, count do
			if not grouped[number] then
				groups[#groups + 1] = { first = number, last = number }
			end
		end
		for _, group in ipairs(groups) do
			keep_room(group)
		end
	end

	local function option(number, name)
		return options and ARGV[task(number) + 3]:match('^[^\n]* ' .. name .. '=(%S+)')
	end

	-- Of the tasks of one `unique` value only one may wait or run.
	local function holder_of(number)
		local unique = option(number, 'u')
		local holder = unique and redis.call('HGET', UNIQUE, unique)
		if not holder or holder == ARGV[task(number)] or redis.call('HEXISTS', TASKS, holder) == 0 then
			return nil
		end
		local record = redis.call('HGET', RUNS, holder)
		return not (record and record:find('^[SDC]')) and holder or nil
	end

	local function refuse(number)
		local verdict = verdicts[number]
		if not verdict and redis.call('HEXISTS', TASKS, ARGV[task(number)]) == 0 then
			local holder = holder_of(number)
			verdict = holder and { letter = '2', id = holder }
			verdicts[number] = verdict
		end
		if verdict then
			return verdict.letter, verdict.id
		end
		return nil
	end

	-- After it was stored.
	local function note(number)
		local id = ARGV[task(number)]
		local unique, expires, retention = option(number, 'u'), option(number, 'e'), option(number, 'r')
		if unique then
			redis.call('HSET', UNIQUE, unique, id)
		end
		if expires then
			schedule(EXPIRING, expires, id)
		end
		if retention then
			redis.call('ZADD', RETAINED, '+inf', id)
		end
		if option(number, 'c') then
			redis.call('SADD', CALLING, id)
		end
	end

	local function drop_replies(keys)
		if #keys > 0 then
			redis.call('ZREM', REPLIES_AT, unpack(keys))
			redis.call('HDEL', REPLIES, unpack(keys))
		end
	end

	-- Keeps what the groups that have a key were answered, for as long as a client may ask again.
	local function finish()
		local now = now_ms()
		for _, group in ipairs(groups) do
			if group.sum and group.key and redis.call('HEXISTS', REPLIES, group.key) == 0 then
				local parts = {}
				for number = group.first, group.last do
					local verdict = verdicts[number]
					parts[#parts + 1] = answer[number] .. (verdict and verdict.id or ARGV[task(number)])
				end
				redis.call('HSET', REPLIES, group.key, group.sum .. ' ' .. table.concat(parts, ' '))
				redis.call('ZADD', REPLIES_AT, now + REPLIES_MS, group.key)
				drop_replies(redis.call('ZRANGEBYSCORE', REPLIES_AT, '-inf', now, 'LIMIT', 0, 10))
				if redis.call('ZCARD', REPLIES_AT) > REPLIES_MAX then
					drop_replies(redis.call('ZRANGE', REPLIES_AT, 0, 0))
				end
			end
		end
	end

	return refuse, note, finish
end
