-- Notes what a node reports of an attempt.
-- ARGV: 1 attempt, 2 task, 3 state, 4 reason, 5 usage, 6 lease ms, 7 history, 8 node or '' for any.
-- Returns 0 where the attempt is not held.
local id, task, state = ARGV[1], ARGV[2], ARGV[3]
local akey, tkey = P .. ':attempt:' .. id, P .. ':task:' .. task
local a = redis.call('HMGET', akey, 'task', 'node')
local t = redis.call('HMGET', tkey, 'state', 'attempt', 'started', 'node', 'usage')
local from = a[2] or t[4]
if ARGV[8] ~= '' and from ~= ARGV[8] then return 0 end
if not a[1] then
  -- The pool has ended it already: what it really used is still worth keeping.
  if t[2] ~= id or not t[1] or not ended(t[1]) or not ended(state) then return 0 end
  if ARGV[5] ~= '' and not t[5] then redis.call('HSET', tkey, 'usage', ARGV[5]) end
  return 1
end
if a[1] ~= task then return 0 end
local ms, current = clock(), t[2] == id
if ended(state) then
  drop(id)
  if current then finish(task, state, ARGV[4], ARGV[5], ms, tonumber(ARGV[7])) end
  return 1
end
redis.call('HSET', akey, 'confirmed', '1')
redis.call('ZADD', P .. ':leases', ms + ARGV[6], id)
if current then
  redis.call('HSET', tkey, 'state', state, 'reason', ARGV[4])
  if ARGV[5] ~= '' then redis.call('HSET', tkey, 'usage', ARGV[5]) end
  if state == 'running' and not t[3] then redis.call('HSET', tkey, 'started', ms) end
end
return 1
