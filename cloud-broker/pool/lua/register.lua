-- Brings a node into the pool and makes the pool agree with its ledger.
-- ARGV: 1 node, 2 doc, 3 state, 4 types, 5-9 capacity, 10 epoch, 11 lease ms, 12 history, 13 a new generation,
-- 14... eleven for each entry of the ledger: attempt, task, fencing, state, creator, request, r1..r5.
-- Returns the attempts of the ledger that a newer fencing token has overruled.
local id, keep = ARGV[1], tonumber(ARGV[12])
local node, ms = P .. ':node:' .. id, clock()
local expiry = ms + ARGV[11]

local top = tonumber(ARGV[10])
for i = 14, #ARGV, 11 do top = math.max(top, tonumber(ARGV[i + 2])) end
if tonumber(redis.call('GET', P .. ':fencing') or '0') < top then
  redis.call('SET', P .. ':fencing', string.format('%.0f', top))
end
redis.call('SET', P .. ':generation', ARGV[13], 'NX')

local inLedger, overruled = {}, {}
for i = 14, #ARGV, 11 do
  local attempt, task, fencing, state = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local akey, tkey = P .. ':attempt:' .. attempt, P .. ':task:' .. task
  local where = redis.call('HMGET', akey, 'node', 'task')
  local t = redis.call('HMGET', tkey, 'fence', 'attempt', 'created', 'started', 'state')
  local held = where[1] == id and where[2] == task
  if where[1] and not held or not held and t[1] and tonumber(t[1]) > tonumber(fencing) then
    overruled[#overruled + 1] = attempt
  else
    inLedger[attempt] = true
    -- Another attempt of the task that this one overrules ends; its node hears of it when it next reports.
    if not held and t[2] and t[2] ~= attempt then drop(t[2]) end
    redis.call('HSET', akey, 'task', task, 'node', id, 'fencing', fencing, 'confirmed', '1', 'r1', ARGV[i + 6],
      'r2', ARGV[i + 7], 'r3', ARGV[i + 8], 'r4', ARGV[i + 9], 'r5', ARGV[i + 10])
    redis.call('HSET', node, 'a:' .. attempt, '')
    redis.call('ZADD', P .. ':leases', expiry, attempt)
    if not held or t[2] == attempt then
      redis.call('HSET', tkey, 'state', state, 'attempt', attempt, 'node', id, 'fencing', fencing)
      if not held then redis.call('HSET', tkey, 'fence', fencing) end
      if not t[3] then
        redis.call('HSET', tkey, 'created', ms, 'creator', ARGV[i + 4], 'req', ARGV[i + 5])
        redis.call('ZADD', P .. ':tasks', ms, task)
      end
      if state == 'running' and not t[4] then redis.call('HSET', tkey, 'started', ms) end
      if ended(t[5]) then
        redis.call('HDEL', tkey, 'ended', 'reason', 'usage')
        redis.call('ZREM', P .. ':ended', task)
      end
      redis.call('ZREM', P .. ':placing', task)
    end
  end
end

-- What the pool holds there and the ledger does not: confirmed once, so the node has lost it; else its
-- instruction may still be on the way, and its lease decides.
local sum = {0, 0, 0, 0, 0}
for _, attempt in ipairs(holds(id)) do
  local a = redis.call('HMGET', P .. ':attempt:' .. attempt, 'task', 'confirmed', 'r1', 'r2', 'r3', 'r4', 'r5')
  if a[1] and (inLedger[attempt] or a[2] == '0') then
    for k = 1, 5 do sum[k] = sum[k] + a[2 + k] end
  else
    drop(attempt)
    if a[1] then fail(attempt, a[1], 'node ' .. id .. ' came back without it', ms, keep) end
    redis.call('HDEL', node, 'a:' .. attempt)
  end
end

local free = {}
for k = 1, 5 do free[k] = string.format('%.0f', ARGV[4 + k] - sum[k]) end
redis.call('HSET', node, 'doc', ARGV[2], 'state', ARGV[3], 'types', ARGV[4], 'f1', free[1], 'f2', free[2],
  'f3', free[3], 'f4', free[4], 'f5', free[5])
redis.call('ZADD', P .. ':nodes', 0, id)
redis.call('ZADD', P .. ':beats', ms, id)
redis.call('ZREM', P .. ':lost', id)
redis.call('XADD', P .. ':changes', 'MAXLEN', '~', 16384, '*', 'n', id, 's', ARGV[3], 'f', table.concat(free, ' '),
  'd', ARGV[2])
return overruled
