-- Brings a node into the pool and makes the pool agree with its ledger.
-- ARGV: 1 node, 2 doc, 3 state, 4 types, 5 capacity (five numbers), 6 epoch, 7 lease ms, 8 history, 9 a new
-- generation, 10... six for each entry of the ledger: attempt, task, fencing, state, request, resources.
-- Returns the attempts of the ledger that a newer fencing token has overruled.
local id, keep = ARGV[1], tonumber(ARGV[8])
local node, ms = P .. ':node:' .. id, clock()
local expiry = ms + ARGV[7]

local top = tonumber(ARGV[6])
for i = 10, #ARGV, 6 do top = math.max(top, tonumber(ARGV[i + 2])) end
if tonumber(redis.call('GET', P .. ':fencing') or '0') < top then
  redis.call('SET', P .. ':fencing', string.format('%.0f', top))
end
redis.call('SET', P .. ':generation', ARGV[9], 'NX')

-- adopt takes an entry of the ledger into the pool and returns true, or false where it is overruled.
local function adopt(attempt, task, fencing, state, request, amounts)
  local tkey, a = P .. ':task:' .. task, held(attempt)
  local t = redis.call('HMGET', tkey, 'state', 'at', 'fence', 'created', 'started')
  local current, _, given = present(t[2])
  if a then
    if a[1] ~= task or a[2] ~= id then return false end
  else
    local newest = math.max(tonumber(t[3] or '0'), tonumber(given or '0'))
    if newest > tonumber(fencing) then return false end
    -- Another attempt of the task, which this one overrules, ends; its node hears of it when it next reports.
    if current and current ~= attempt then drop(current) end
    current = attempt
  end
  redis.call('SET', P .. ':attempt:' .. attempt, task .. ' ' .. id .. ' ' .. fencing .. ' 1 ' .. amounts)
  redis.call('HSET', node, 'a:' .. attempt, '')
  redis.call('ZADD', P .. ':leases', expiry, attempt)
  if current ~= attempt then return true end -- the task has gone on to another one, and this one is still held
  redis.call('HSET', tkey, 'state', state, 'at', attempt .. ' ' .. id .. ' ' .. fencing)
  if not t[4] then redis.call('HSET', tkey, 'created', ms, 'req', request) end
  if state == 'running' and not t[5] then redis.call('HSET', tkey, 'started', ms) end
  if ended(t[1]) then
    redis.call('HDEL', tkey, 'ended', 'reason', 'usage')
    redis.call('ZREM', P .. ':ended', task)
  end
  redis.call('ZREM', P .. ':placing', task)
  list(task)
  return true
end

local inLedger, overruled = {}, {}
for i = 10, #ARGV, 6 do
  if adopt(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]) then
    inLedger[ARGV[i]] = true
  else
    overruled[#overruled + 1] = ARGV[i]
  end
end

-- What the pool holds there and the ledger does not: confirmed once, so the node has lost it; else its
-- instruction may still be on the way, and its lease decides.
local free = {string.match(ARGV[5], AMOUNTS)}
for _, attempt in ipairs(holds(id)) do
  local a = held(attempt)
  if a and (inLedger[attempt] or a[4] == '0') then
    for k = 1, 5 do free[k] = free[k] - a[4 + k] end
  else
    redis.call('HDEL', node, 'a:' .. attempt)
    if drop(attempt) then fail(attempt, a[1], 'node ' .. id .. ' came back without it', ms, keep) end
  end
end

for k = 1, 5 do free[k] = string.format('%.0f', tonumber(free[k])) end
local f = table.concat(free, ' ')
redis.call('HSET', node, 'doc', ARGV[2], 'state', ARGV[3], 'types', ARGV[4], 'f', f)
redis.call('HDEL', node, 'volumes') -- its first heartbeat names them
redis.call('ZADD', P .. ':nodes', 0, id)
redis.call('ZADD', P .. ':beats', ms, id)
redis.call('ZREM', P .. ':lost', id)
change(id .. ' ' .. ARGV[3] .. ' ' .. f .. ' ' .. ARGV[2])
return overruled
