-- Records a task that holds nothing: it waits for a place, or ended without one.
-- ARGV: 1 idempotency key or '', 2 digest of the request, 3 task, 4 state, 5 reason, 6 request, 7 large parameters
-- or '', 8 how long it may be placing, ms, 9 history, 10 how many may be placing, 11 where it is to wait in the fair
-- queue: queue or urgent, else '', 12 hash of its creator, 13 how many of one creator may wait.
-- Returns {'ok', task}, {'reused'}, {'full'}, {'share'}, {'held'} or {'ended'}.
local idem, task, new, class, creator = ARGV[1], ARGV[3], ARGV[4], ARGV[11], ARGV[12]
if idem ~= '' then
  local entry = redis.call('HGET', P .. ':keys', idem)
  if entry then
    local first, digest = string.match(entry, '^(%S+) (%S+)$')
    if digest ~= ARGV[2] then return {'reused'} end
    if first ~= task then return {'ok', first} end
  end
end
local tkey = P .. ':task:' .. task
local t = redis.call('HMGET', tkey, 'state', 'at', 'q', 'turn')
if ended(t[1]) then
  if t[1] == new then return {'ok', task} end
  return {'ended'}
end
if t[2] then return {'held'} end
if new == 'placing' and not redis.call('ZSCORE', P .. ':placing', task) and
  redis.call('ZCARD', P .. ':placing') >= tonumber(ARGV[10]) then
  return {'full'}
end
if class ~= '' and not t[3] and tonumber(redis.call('HGET', P .. ':waits:' .. class, creator) or '0') >= tonumber(ARGV[13]) then
  return {'share'}
end
local ms = clock()
redis.call('HSET', tkey, 'state', new, 'reason', ARGV[5])
if not t[1] then
  redis.call('HSET', tkey, 'req', ARGV[6], 'created', ms)
  if ARGV[7] ~= '' then redis.call('HSET', tkey, 'big', ARGV[7]) end
  if idem ~= '' then
    redis.call('HSET', tkey, 'key', idem)
    redis.call('HSET', P .. ':keys', idem, task .. ' ' .. ARGV[2])
  end
end
if new ~= 'placing' then
  finish(task, new, ARGV[5], '', ms, tonumber(ARGV[9]))
  return {'ok', task}
end
redis.call('ZADD', P .. ':placing', ms + ARGV[8], task)
list(task)
if class == '' or t[3] then return {'ok', task} end

-- Start-time fair queuing: see queue.go.
local tags = P .. ':tags:' .. class
local now = tonumber(redis.call('HGET', P .. ':fair', class) or '0')
local tag = math.max(now, tonumber(redis.call('ZSCORE', tags, creator) or '0'))
local score = tag
if t[4] and tonumber(t[4]) < tag then -- it had its turn, and its node did not take it: it goes before its like
  tag = tonumber(t[4])
  score = tag - 1e-3
else
  redis.call('ZADD', tags, string.format('%.6f', tag + 1), creator)
end
local n = redis.call('HINCRBY', P .. ':fair', 'n', 1) % 1000000
redis.call('ZADD', P .. ':' .. class, string.format('%.10f', score + n * 1e-10), task) -- first come first where tags are equal
redis.call('HINCRBY', P .. ':waits:' .. class, creator, 1)
redis.call('HSET', tkey, 'q', class .. ' ' .. creator .. ' ' .. string.format('%.6f', tag))
return {'ok', task}
