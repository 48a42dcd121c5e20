#!lua flags=no-writes
-- called: some of the ended tasks whose callback was not submitted yet.
-- KEYS    {ns}
-- ARGV    limit
-- returns {id of the callback, "task length\n" + that many bytes of :tasks + its record}…

local CALLED = ns .. ':called'
if redis.call('EXISTS', CALLED) == 0 then
	return {}
end
local answer = {}
for i, id in ipairs(redis.call('HRANDFIELD', CALLED, tonumber(ARGV[1]))) do
	answer[i] = { id, redis.call('HGET', CALLED, id) }
end
return answer
