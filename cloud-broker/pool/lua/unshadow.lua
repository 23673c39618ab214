-- Releases a task's standby. ARGV: 1 task. Returns 0 where it has none.
local tkey = P .. ':task:' .. ARGV[1]
local id, _, fencing = present(redis.call('HGET', tkey, 'standby'))
if not id then return 0 end
redis.call('HSET', tkey, 'dropped', fencing) -- the edge's ledger brings it back no more
drop(id)
return 1
