-- Brings a node into the pool and makes the pool agree with its ledger.
-- ARGV: 1 node, 2 doc as an operator has it, 3 state, 4 types, 5 capacity as the field cap, 6 epoch, 7 lease ms,
-- 8 history, 9 a new generation, 10 the override that is in doc, or '', 11 doc as registered, or '' where it is the
-- same, 12 how long a task may be placing, ms, 13... nine for each entry of the ledger: attempt, task, fencing, state,
-- request, resources, GPU, '1' for a standby, and the hash of its creator, or ''.
-- Returns {'override', override} where another one is in force and nothing was done, else {'ok', ...} with the attempts of
-- the ledger that a newer fencing token has overruled.
local id, keep, ttl = ARGV[1], tonumber(ARGV[8]), ARGV[12]
local node, ms = P .. ':node:' .. id, clock()
local expiry = ms + ARGV[7]
local FIRST, EACH = 13, 9

local override = redis.call('HGET', P .. ':overrides', id) or ''
if override ~= ARGV[10] then return {'override', override} end

local top = tonumber(ARGV[6])
for i = FIRST, #ARGV, EACH do top = math.max(top, tonumber(ARGV[i + 2])) end
local given = tonumber(redis.call('GET', P .. ':fencing') or '0')
if given == 0 then top = math.max(top, beginning()) end
if given < top then
  redis.call('SET', P .. ':fencing', string.format('%d', top))
end
redis.call('SET', P .. ':generation', ARGV[9], 'NX')

-- reserve holds what the ledger says, or less where the pool has less: what was taken from it may have been given to others.
local function reserve(attempt, task, fencing, gpu, said)
  local a, most = held(attempt), amounts(said)
  for k = 1, a and 5 or 0 do most[k] = math.min(most[k], a[5 + k]) end
  redis.call('SET', P .. ':attempt:' .. attempt, task .. ' ' .. id .. ' ' .. fencing .. ' 1 ' .. gpu .. ' ' .. encode(most))
  redis.call('HSET', node, 'a:' .. attempt, '')
  redis.call('ZADD', P .. ':leases', expiry, attempt)
  redis.call('ZREM', P .. ':omitted', attempt)
end

-- adopt takes an entry of the ledger into the pool and returns true, or false where it is overruled.
local function adopt(attempt, task, fencing, said, request, amounts, gpu, creator)
  local tkey, a = P .. ':task:' .. task, held(attempt)
  local t = redis.call('HMGET', tkey, 'state', 'at', 'fence', 'created', 'started', 'q', 'mine')
  local current, _, given = present(t[2])
  if a then
    if a[1] ~= task or a[2] ~= id then return false end
    if tonumber(a[3]) > tonumber(fencing) then fencing = a[3] end
  else
    local newest = math.max(tonumber(t[3] or '0'), tonumber(given or '0'))
    if newest > tonumber(fencing) then return false end
    -- Another attempt of the task, which this one overrules, ends; its node hears of it when it next reports.
    if current and current ~= attempt then drop(current) end
    current = attempt
  end
  reserve(attempt, task, fencing, gpu, amounts)
  if current ~= attempt then return true end -- the task has gone on to another one, and this one is still held
  redis.call('HSET', tkey, 'state', said, 'at', attempt .. ' ' .. id .. ' ' .. fencing .. ' ' .. gpu)
  if not t[4] then redis.call('HSET', tkey, 'created', ms, 'req', request) end
  if said == 'running' and not t[5] then redis.call('HSET', tkey, 'started', ms) end
  if creator ~= '' and (not t[7] or ended(t[1])) then -- should he have a quota, it counts
    redis.call('SADD', P .. ':mine:' .. creator, task)
    redis.call('HSET', tkey, 'mine', creator)
  end
  if ended(t[1]) then
    redis.call('HDEL', tkey, 'ended', 'reason', 'usage')
    redis.call('ZREM', P .. ':ended', task)
  end
  redis.call('ZREM', P .. ':placing', task)
  if t[6] then unqueue(task, t[6], true) end
  list(task)
  return true
end

-- standby is adopt for an attempt that is kept ready to take over. Of a task that the pool does not know, as after a loss
-- of Redis, it is all there is until the task's own edge registers: the task is placing meanwhile.
local function standby(attempt, task, fencing, said, request, amounts, gpu, creator)
  local tkey, a = P .. ':task:' .. task, held(attempt)
  local t = redis.call('HMGET', tkey, 'state', 'at', 'standby', 'dropped')
  if a then
    if a[1] ~= task or a[2] ~= id then return false end
    if present(t[2]) == attempt then -- it was promoted, and its edge has not heard of it
      return adopt(attempt, task, fencing, t[1] == 'running' and 'running' or 'reserved', request, amounts, gpu, creator)
    end
    if present(t[3]) ~= attempt then return false end
  else
    if ended(t[1]) or present(t[2]) == attempt or tonumber(t[4] or '0') >= tonumber(fencing) then return false end
    local other, _, given = present(t[3])
    if other and tonumber(given) > tonumber(fencing) then return false end
    if other then drop(other) end
  end
  reserve(attempt, task, fencing, gpu, amounts)
  redis.call('HSET', tkey, 'standby', attempt .. ' ' .. id .. ' ' .. fencing .. ' ' .. gpu)
  if not t[1] then
    redis.call('HSET', tkey, 'state', 'placing', 'reason', 'only its standby is known so far', 'created', ms, 'req', request)
    redis.call('ZADD', P .. ':placing', ms + ttl, task)
    list(task)
  end
  return true
end

local inLedger, answer = {}, {'ok'}
for i = FIRST, #ARGV, EACH do
  local take = ARGV[i + 7] == '1' and standby or adopt
  if take(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], ARGV[i + 6], ARGV[i + 8]) then
    inLedger[ARGV[i]] = true
  else
    answer[#answer + 1] = ARGV[i]
  end
end

-- What the pool holds there and the ledger does not: confirmed once, so the node has lost it; else its
-- instruction may still be on the way, and its lease decides.
for _, attempt in ipairs(holds(id)) do
  local a = held(attempt)
  if not a then
    redis.call('HDEL', node, 'a:' .. attempt)
  elseif not inLedger[attempt] and a[4] == '1' then
    drop(attempt)
    fail(attempt, a[1], 'node ' .. id .. ' came back without it', ms, keep, ttl)
  end
end
local free = amounts(ARGV[5])
for _, attempt in ipairs(holds(id)) do add(free, held(attempt), -1) end

local op = redis.call('HGET', node, 'op')
if not op and redis.call('ZSCORE', P .. ':cordons', id) then op = 'cordoned' end
if op then redis.call('HSET', node, 'op', op) end
local new, f = state(ARGV[3], op), encode(free)
redis.call('HSET', node, 'doc', ARGV[2], 'state', new, 'said', ARGV[3], 'types', ARGV[4], 'cap', ARGV[5], 'f', f)
for field, value in pairs({over = ARGV[10], own = ARGV[11]}) do
  if value ~= '' then redis.call('HSET', node, field, value) else redis.call('HDEL', node, field) end
end
redis.call('HDEL', node, 'volumes') -- its first heartbeat names them
redis.call('ZADD', P .. ':nodes', 0, id)
redis.call('ZADD', P .. ':beats', ms, id)
redis.call('ZREM', P .. ':lost', id)
change(id .. ' ' .. new .. ' ' .. f .. ' ' .. ARGV[2])
return answer
