-- Makes a task's standby its attempt, with a fencing token above all others; what the attempt before it held is released.
-- ARGV: 1 task, 2 floor of the fencing token, and 3 the standby's attempt where it must be that one. Returns "ok <attempt>
-- <node> <fencing> <gpu>", with " <attempt> <node>" of the one before it behind that, which is missing where it was promoted
-- already; "ended", or "none" where the task is unknown or has no such standby, or where its edge has not confirmed it and
-- ARGV[3] is not given.
local task = ARGV[1]
local tkey = P .. ':task:' .. task
local t = redis.call('HMGET', tkey, 'state', 'at', 'standby', 'q')
if ended(t[1]) then return 'ended' end
local id, node, _, gpu = present(t[3])
local old, before = present(t[2])
if ARGV[3] and old == ARGV[3] then return 'ok ' .. t[2] end
local s = id and (not ARGV[3] or id == ARGV[3]) and held(id)
if not s or s[4] ~= '1' and not ARGV[3] then return 'none' end
s[4] = '1' -- of a move the edge has said so itself
if old then drop(old) end
s[3] = token(ARGV[2])
hold(id, s)
local at = id .. ' ' .. node .. ' ' .. s[3] .. ' ' .. gpu
redis.call('HSET', tkey, 'at', at, 'fence', s[3], 'reason', '')
redis.call('HDEL', tkey, 'standby')
if t[1] == 'placing' then
  redis.call('HSET', tkey, 'state', 'reserved')
  redis.call('ZREM', P .. ':placing', task)
  if t[4] then unqueue(task, t[4], true) end
end
list(task)
return 'ok ' .. at .. (old and ' ' .. old .. ' ' .. before or '')
