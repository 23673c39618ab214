-- Releases a task's standby. ARGV: 1 task, and of a move 2 its attempt; without, a move's standby is left alone. Returns ''
-- where there is none, "committed" where the attempt is the task's own, or "ok <attempt> <node> <fencing>".
local tkey = P .. ':task:' .. ARGV[1]
local t = redis.call('HMGET', tkey, 'state', 'at', 'standby')
if ARGV[2] and present(t[2]) == ARGV[2] then return ended(t[1]) and '' or 'committed' end
local id, node, fencing = present(t[3])
if not id or ARGV[2] and id ~= ARGV[2] or not ARGV[2] and string.sub(id, 1, 2) == 'm-' then return '' end
redis.call('HSET', tkey, 'dropped', fencing) -- the edge's ledger brings it back no more
drop(id)
return 'ok ' .. id .. ' ' .. node .. ' ' .. fencing
