#!lua flags=allow-oom
-- with lease.lua
-- wake: what the watcher of a plain list says once it has waited: something is there, or look again.
-- KEYS    {ns}
-- ARGV    queue list
-- returns 1 when the plain list is not empty (its queue's bell has rung), else 0 (armed: the next wait is over at once).

local queue, list = ARGV[1], ARGV[2]
if plain_length(list) > 0 then
	put_token(BELL .. queue)
	return 1
end
arm_list_if_empty(list)
return 0
