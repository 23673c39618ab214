-- Records a task that an edge has taken itself. ARGV: 1 attempt, 2 task, 3 type as ",type,", 4 needs (five numbers),
-- 5 lease ms, 6 floor of the fencing token, 7 request, 8 node, 9 GPU, 10 large parameters or '', 11 idempotency key or
-- '', 12 digest of the request, 13 hash of the creator and 14 the quota (five numbers), both '' where there is none.
-- Returns "ok <fencing>", "elsewhere <task> <at>" (at is empty where that task has no place), "none", "reused", "ended" or
-- "quota".
local id, task, key, node = ARGV[1], ARGV[2], ARGV[11], ARGV[8]
local entry = key ~= '' and redis.call('HGET', P .. ':keys', key)
if entry then
  local first, digest = string.match(entry, '^(%S+) (%S+)$')
  if digest ~= ARGV[12] then return 'reused' end
  task = first
end
local tkey = P .. ':task:' .. task
local t = redis.call('HMGET', tkey, 'state', 'at', 'q', 'created', 'standby')
local current, _, given = present(t[2])
if current == id and held(id) then return 'ok ' .. given end -- asked again
if ended(t[1]) then return 'ended' end
if current or task ~= ARGV[2] then return 'elsewhere ' .. task .. ' ' .. (t[2] or '') end

local _, standby = present(t[5])
if standby == node then return 'none' end
local n = redis.call('HMGET', P .. ':node:' .. node, 'state', 'types', 'f')
if n[1] ~= 'ready' or not string.find(n[2], ARGV[3], 1, true) then return 'none' end
local free = amounts(n[3])
local a = {task, node, '0', '1', ARGV[9], unpack(amounts(ARGV[4]))}
add(free, a, -1)
if #free > 5 and not free[6 + 2 * ARGV[9]] then return 'none' end
for k = 1, #free do
  if free[k] < 0 then return 'none' end
end
local mine = ARGV[13] ~= '' and P .. ':mine:' .. ARGV[13]
if mine and not within(mine, ARGV[14], ARGV[4]) then return 'quota' end
local ms = clock()
a[3] = token(ARGV[6])
hold(id, a)
redis.call('HSET', P .. ':node:' .. node, 'f', encode(free), 'a:' .. id, '')
redis.call('ZADD', P .. ':leases', ms + ARGV[5], id)
redis.call('HSET', tkey, 'state', 'reserved', 'at', id .. ' ' .. node .. ' ' .. a[3] .. ' ' .. ARGV[9], 'reason', '')
if not t[4] then redis.call('HSET', tkey, 'req', ARGV[7], 'created', ms) end
if ARGV[10] ~= '' then redis.call('HSET', tkey, 'big', ARGV[10]) end
if key ~= '' and not entry then
  redis.call('HSET', tkey, 'key', key)
  redis.call('HSET', P .. ':keys', key, task .. ' ' .. ARGV[12])
end
if mine then
  redis.call('SADD', mine, task)
  redis.call('HSET', tkey, 'mine', ARGV[13])
end
redis.call('ZREM', P .. ':placing', task)
if t[3] then unqueue(task, t[3], true) end
list(task)
note(node)
return 'ok ' .. a[3]
