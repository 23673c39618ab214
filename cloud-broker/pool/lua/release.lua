-- Ends an attempt by the broker's will, and with it its task, or puts the task back to placing.
-- ARGV: 1 task, 2 attempt or '' for the present one, 3 state, 4 reason, 5 usage, 6 floor of the fencing token,
-- 7 history, 8 how long it may be placing, ms, 9 '1' where nothing is to be done for an attempt that its edge has confirmed.
-- Returns the fencing token that overrules the attempt, '' where the task is unknown, or 'confirmed' by argument 9.
local task, id, new = ARGV[1], ARGV[2], ARGV[3]
local tkey = P .. ':task:' .. task
local t = redis.call('HMGET', tkey, 'state', 'at', 'fence', 'q', 'started')
if not t[1] then return '' end
local current, _, given = present(t[2])
if id == '' then id = current or '' end
local a = id ~= '' and held(id)
if ARGV[9] == '1' and a and a[4] == '1' then return 'confirmed' end
if a and a[1] == task then drop(id) end
if ended(t[1]) and new == 'placing' then return t[3] or given or '0' end
local fence = token(ARGV[6])
if ended(t[1]) then -- an edge that is not back yet shall not bring it back to life
  redis.call('HSET', tkey, 'fence', fence)
  return fence
end
if id ~= (current or '') then return fence end
redis.call('HSET', tkey, 'fence', fence)
local ms = clock()
if new == 'placing' then
  redis.call('HSET', tkey, 'state', new, 'reason', ARGV[4])
  redis.call('HDEL', tkey, 'at')
  if t[5] and current then redis.call('HINCRBY', tkey, 'misses', 1) end -- it ran there, and its node is gone
  redis.call('ZADD', P .. ':placing', ms + ARGV[8], task)
  list(task)
else
  if a then freed(ms) end
  finish(task, new, ARGV[4], ARGV[5], ms, tonumber(ARGV[7]))
end
return fence
