-- Records a task that holds nothing: it waits for a place, or ended without one.
-- ARGV: 1 idempotency key or '', 2 digest of the request, 3 task, 4 state, 5 reason, 6 creator, 7 request,
-- 8 large parameters or '', 9 how long it may be placing, ms, 10 history, 11 how many may be placing.
-- Returns {'ok', task}, {'reused'}, {'full'}, {'held'} or {'ended'}.
local idem, task, state = ARGV[1], ARGV[3], ARGV[4]
if idem ~= '' then
  local entry = redis.call('HGET', P .. ':keys', idem)
  if entry then
    local bar = string.find(entry, ' ', 1, true)
    if string.sub(entry, bar + 1) ~= ARGV[2] then return {'reused'} end
    local other = string.sub(entry, 1, bar - 1)
    if other ~= task then return {'ok', other} end
  end
end
local tkey = P .. ':task:' .. task
local t = redis.call('HMGET', tkey, 'state', 'attempt')
if t[1] and ended(t[1]) then
  if t[1] == state then return {'ok', task} end
  return {'ended'}
end
if t[2] then return {'held'} end
if state == 'placing' and not redis.call('ZSCORE', P .. ':placing', task) and
  redis.call('ZCARD', P .. ':placing') >= tonumber(ARGV[11]) then
  return {'full'}
end
local ms = clock()
redis.call('HSET', tkey, 'state', state, 'reason', ARGV[5])
if not t[1] then
  redis.call('HSET', tkey, 'creator', ARGV[6], 'req', ARGV[7], 'created', ms, 'key', idem)
  if ARGV[8] ~= '' then redis.call('HSET', tkey, 'big', ARGV[8]) end
  redis.call('ZADD', P .. ':tasks', ms, task)
  if idem ~= '' then redis.call('HSET', P .. ':keys', idem, task .. ' ' .. ARGV[2]) end
end
if state == 'placing' then
  redis.call('ZADD', P .. ':placing', ms + ARGV[9], task)
else
  finish(task, state, ARGV[5], '', ms, tonumber(ARGV[10]))
end
return {'ok', task}
