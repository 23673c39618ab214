-- Notes what an edge reports of an attempt.
-- ARGV: 1 attempt, 2 task, 3 state, 4 reason, 5 usage, 6 lease ms, 7 history, 8 node or '' for any.
-- Returns '' where the attempt is not held, or 'ok', and behind it the attempt, node and fencing token of a standby that
-- was released because the task has ended.
local id, task, new = ARGV[1], ARGV[2], ARGV[3]
local tkey, a = P .. ':task:' .. task, held(id)
local t = redis.call('HMGET', tkey, 'state', 'at', 'started', 'usage')
local current, where = present(t[2])
if ARGV[8] ~= '' and (a and a[2] or where) ~= ARGV[8] then return '' end
if not a then
  -- The pool has ended it already: what it really used is still worth keeping.
  if current ~= id or not ended(t[1]) or not ended(new) then return '' end
  if ARGV[5] ~= '' and not t[4] then redis.call('HSET', tkey, 'usage', ARGV[5]) end
  return 'ok'
end
if a[1] ~= task then return '' end
local ms = clock()
if ended(new) then
  drop(id)
  if current == id then
    freed(ms)
    local standby, node, fencing = finish(task, new, ARGV[4], ARGV[5], ms, tonumber(ARGV[7]))
    if standby then return 'ok ' .. standby .. ' ' .. node .. ' ' .. fencing end
  end
  return 'ok'
end
confirm(id, a, ms + ARGV[6])
if current == id then
  redis.call('HSET', tkey, 'state', new, 'reason', ARGV[4])
  if ARGV[5] ~= '' then redis.call('HSET', tkey, 'usage', ARGV[5]) end
  if new == 'running' and not t[3] then redis.call('HSET', tkey, 'started', ms) end
  list(task)
end
return 'ok'
