#!lua flags=allow-oom
-- grab: first of three steps that carry a plain list of another database over, losing and doubling nothing: takes
-- documents from the list into a numbered box beside it. A box that is there already is answered again.
-- KEYS    {ns}                    only for the box's name; runs in the list's database
-- ARGV    list limit last         last: the highest number that put has seen
-- returns {number, document…}, oldest first; {0} when there is nothing.

local list, last = ARGV[1], tonumber(ARGV[3])
local box = '{' .. list .. '}:box:' .. ns
local number_key = box .. ':number'

if redis.call('EXISTS', box) == 0 then
	local documents = redis.call('RPOP', list, ARGV[2])
	if not documents or #documents == 0 then
		return { 0 }
	end
	local number = math.max(tonumber(redis.call('GET', number_key) or 0), last) + 1
	redis.call('SET', number_key, digits(number))
	call_many('RPUSH', box, documents)
end
local answer = redis.call('LRANGE', box, 0, -1)
table.insert(answer, 1, tonumber(redis.call('GET', number_key)))
return answer
