#!lua flags=allow-oom
-- drop: third step: removes the box that was put. Runs in the list's database.
-- KEYS    {ns}
-- ARGV    list number
-- returns 1, or 0 when that box is gone.

local box = '{' .. ARGV[1] .. '}:box:' .. ns
if redis.call('GET', box .. ':number') ~= ARGV[2] then
	return 0
end
return redis.call('DEL', box)
