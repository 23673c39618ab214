-- Notes what a node reports of an attempt.
-- ARGV: 1 attempt, 2 task, 3 state, 4 reason, 5 usage, 6 lease ms, 7 history, 8 node or '' for any.
-- Returns 0 where the attempt is not held.
local id, task, state = ARGV[1], ARGV[2], ARGV[3]
local tkey, a = P .. ':task:' .. task, held(id)
local t = redis.call('HMGET', tkey, 'state', 'at', 'started', 'usage')
local current, where = present(t[2])
if ARGV[8] ~= '' and (a and a[2] or where) ~= ARGV[8] then return 0 end
if not a then
  -- The pool has ended it already: what it really used is still worth keeping.
  if current ~= id or not ended(t[1]) or not ended(state) then return 0 end
  if ARGV[5] ~= '' and not t[4] then redis.call('HSET', tkey, 'usage', ARGV[5]) end
  return 1
end
if a[1] ~= task then return 0 end
local ms = clock()
if ended(state) then
  drop(id)
  if current == id then finish(task, state, ARGV[4], ARGV[5], ms, tonumber(ARGV[7])) end
  return 1
end
confirm(id, a, ms + ARGV[6])
if current == id then
  redis.call('HSET', tkey, 'state', state, 'reason', ARGV[4])
  if ARGV[5] ~= '' then redis.call('HSET', tkey, 'usage', ARGV[5]) end
  if state == 'running' and not t[3] then redis.call('HSET', tkey, 'started', ms) end
  list(task)
end
return 1
