-- Renews a waiting task and tells where it stands. ARGV: 1 task, 2 how long it may go on placing, ms, or 0 to look only.
-- Returns {'unknown'}, {'ended'}, {'held'}, or {'ok', position, length, expected wait ms or -1, '1' for urgent}, where
-- position is 0 for a task that is placed right now and is not in the queue.
local task = ARGV[1]
local t = redis.call('HMGET', P .. ':task:' .. task, 'state', 'at', 'q')
if not t[1] then return {'unknown'} end
if ended(t[1]) then return {'ended'} end
if t[1] ~= 'placing' or t[2] then return {'held'} end
local ms = clock()
if ARGV[2] ~= '0' then redis.call('ZADD', P .. ':placing', ms + ARGV[2], task) end
local urgent = redis.call('ZCARD', P .. ':urgent')
local length = urgent + redis.call('ZCARD', P .. ':queue')
if not t[3] then return {'ok', 0, length, -1, '0'} end
local class, position = string.match(t[3], '^%S+'), 0
position = redis.call('ZRANK', P .. ':' .. class, task) + 1
if class == 'queue' then position = position + urgent end
local expected, n = -1, redis.call('LLEN', P .. ':freed')
if n >= 4 then
  local since = redis.call('LINDEX', P .. ':freed', 0)
  expected = math.floor(position * math.max(ms - since, 0) / n)
end
return {'ok', position, length, expected, class == 'urgent' and '1' or '0'}
