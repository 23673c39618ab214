-- Records a task that holds nothing: it waits for a place, or ended without one.
-- ARGV: 1 idempotency key or '', 2 digest of the request, 3 task, 4 state, 5 reason, 6 request, 7 large parameters
-- or '', 8 how long it may be placing, ms, 9 history, 10 how many may be placing.
-- Returns {'ok', task}, {'reused'}, {'full'}, {'held'} or {'ended'}.
local idem, task, state = ARGV[1], ARGV[3], ARGV[4]
if idem ~= '' then
  local entry = redis.call('HGET', P .. ':keys', idem)
  if entry then
    local first, digest = string.match(entry, '^(%S+) (%S+)$')
    if digest ~= ARGV[2] then return {'reused'} end
    if first ~= task then return {'ok', first} end
  end
end
local tkey = P .. ':task:' .. task
local t = redis.call('HMGET', tkey, 'state', 'at')
if ended(t[1]) then
  if t[1] == state then return {'ok', task} end
  return {'ended'}
end
if t[2] then return {'held'} end
if state == 'placing' and not redis.call('ZSCORE', P .. ':placing', task) and
  redis.call('ZCARD', P .. ':placing') >= tonumber(ARGV[10]) then
  return {'full'}
end
local ms = clock()
redis.call('HSET', tkey, 'state', state, 'reason', ARGV[5])
if not t[1] then
  redis.call('HSET', tkey, 'req', ARGV[6], 'created', ms)
  if ARGV[7] ~= '' then redis.call('HSET', tkey, 'big', ARGV[7]) end
  if idem ~= '' then
    redis.call('HSET', tkey, 'key', idem)
    redis.call('HSET', P .. ':keys', idem, task .. ' ' .. ARGV[2])
  end
end
if state == 'placing' then
  redis.call('ZADD', P .. ':placing', ms + ARGV[8], task)
  list(task)
else
  finish(task, state, ARGV[5], '', ms, tonumber(ARGV[9]))
end
return {'ok', task}
