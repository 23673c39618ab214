-- What several scripts do alike. KEYS[1] is the pool's prefix; every key is under it, so all share one hash slot.
--
--   <prefix>:nodes            sorted set  node, score 0, so that it can be paged by name
--   <prefix>:beats            sorted set  node -> its last heartbeat, ms
--   <prefix>:lost             sorted set  node -> when it was found lost, ms
--   <prefix>:node:<node>      hash        doc (as registered), state, types (",a,b,"), load, f1 to f5 (free amounts),
--                                         and "a:<attempt>" for each reservation there
--   <prefix>:attempt:<id>     hash        task, node, fencing, confirmed (0 or 1), r1 to r5 (what it holds)
--   <prefix>:leases           sorted set  attempt -> when its lease ends, ms
--   <prefix>:task:<id>        hash        see task.go
--   <prefix>:tasks            sorted set  task -> when it was created, ms
--   <prefix>:placing          sorted set  task that holds nothing -> when it is given up, ms
--   <prefix>:ended            sorted set  task -> when it ended, ms: the history
--   <prefix>:keys             hash        idempotency key -> "<task> <digest of the request>"
--   <prefix>:fencing          counter     the highest fencing token given
--   <prefix>:changes          stream      what became of nodes, for the brokers' snapshots
--   <prefix>:generation       string      made by the first registration; another one means another pool
--   <prefix>:links            hash        node -> broker that holds its link
--
-- Resources are added back in one place only (drop), and only when the node still lists the attempt, so that no
-- amount is counted twice whatever order things arrive in.

local P = KEYS[1]

local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- ended says whether a task's state is one of the last three.
local function ended(state)
  return state == 'finished' or state == 'failed' or state == 'expired'
end

-- note tells the brokers a node's state and free amounts.
local function note(node)
  local n = redis.call('HMGET', P .. ':node:' .. node, 'state', 'f1', 'f2', 'f3', 'f4', 'f5')
  if n[1] then
    redis.call('XADD', P .. ':changes', 'MAXLEN', '~', 16384, '*', 'n', node, 's', n[1],
      'f', table.concat(n, ' ', 2, 6))
  end
end

-- token gives the next fencing token, above floor.
local function token(floor)
  local f = redis.call('INCR', P .. ':fencing')
  if f <= tonumber(floor) then
    f = floor + 1
    redis.call('SET', P .. ':fencing', string.format('%.0f', f))
  end
  return f
end

-- drop ends a reservation and gives its resources back. It returns task, node, fencing, confirmed, or nil where
-- there is no such reservation.
local function drop(id)
  local key = P .. ':attempt:' .. id
  local a = redis.call('HMGET', key, 'task', 'node', 'fencing', 'confirmed', 'r1', 'r2', 'r3', 'r4', 'r5')
  redis.call('ZREM', P .. ':leases', id)
  if not a[1] then return nil end
  redis.call('DEL', key)
  local node = P .. ':node:' .. a[2]
  if redis.call('HDEL', node, 'a:' .. id) == 1 then
    for i = 1, 5 do
      if a[4 + i] ~= '0' then redis.call('HINCRBY', node, 'f' .. i, a[4 + i]) end
    end
    note(a[2])
  end
  return a
end

-- finish ends a task, and forgets the oldest ended ones beyond keep.
local function finish(task, state, reason, usage, ms, keep)
  local key = P .. ':task:' .. task
  redis.call('HSET', key, 'state', state, 'reason', reason, 'ended', ms)
  if usage ~= '' then redis.call('HSET', key, 'usage', usage) end
  redis.call('HDEL', key, 'big')
  redis.call('ZREM', P .. ':placing', task)
  redis.call('ZADD', P .. ':ended', ms, task)
  local over = redis.call('ZCARD', P .. ':ended') - keep
  if over > 0 then
    for _, old in ipairs(redis.call('ZRANGE', P .. ':ended', 0, math.min(over, 16) - 1)) do
      local idem = redis.call('HGET', P .. ':task:' .. old, 'key')
      if idem then redis.call('HDEL', P .. ':keys', idem) end
      redis.call('DEL', P .. ':task:' .. old)
      redis.call('ZREM', P .. ':tasks', old)
      redis.call('ZREM', P .. ':ended', old)
    end
  end
end

-- fail ends the task of a reservation that was just dropped, if it is the task's present one.
local function fail(id, task, reason, ms, keep)
  local t = redis.call('HMGET', P .. ':task:' .. task, 'state', 'attempt')
  if t[1] and t[2] == id and not ended(t[1]) then
    finish(task, 'failed', reason, '', ms, keep)
    return true
  end
  return false
end

-- holds lists the reservations on a node.
local function holds(node)
  local ids = {}
  for _, field in ipairs(redis.call('HKEYS', P .. ':node:' .. node)) do
    if string.sub(field, 1, 2) == 'a:' then ids[#ids + 1] = string.sub(field, 3) end
  end
  return ids
end

