#!lua flags=allow-oom
-- mark: by its mark a scheduler knows the broker again. Who deletes everything (FLUSHALL), or puts another Redis in its
-- place, takes the mark away, too.
-- KEYS    {ns}
-- ARGV    known fresh             known: the mark at the last look, '': this is the first one; fresh: one to leave if there is none
-- returns the mark that is there now. When it is a new one in a known one's place, the time is noted: `depths` tells it.

local MARK = ns .. ':mark'
local id = redis.call('HGET', MARK, 'id')
if not id then
	id = ARGV[2]
	redis.call('HSET', MARK, 'id', id)
	if ARGV[1] ~= '' then
		redis.call('HSET', MARK, 'emptied', digits(now_ms()))
	end
end
return id
