#!lua
-- with lease.lua
-- put: second step: makes tasks of a box's documents, once. Runs in our database.
-- KEYS    {ns}
-- ARGV    queue source number id_base document…   source: database and name of the plain list
-- returns the number of tasks made; 0: this box was put before.

local queue, source, number, id_base = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local BOXES = ns .. ':boxes'

if number <= tonumber(redis.call('HGET', BOXES, source) or 0) then
	return 0
end
local documents = { unpack(ARGV, 5) }
push_tail(queue, nil, make_tasks(queue, documents, id_base, 0, now_ms()))
put_token(BELL .. queue)
redis.call('HSET', BOXES, source, ARGV[3])
return #documents
