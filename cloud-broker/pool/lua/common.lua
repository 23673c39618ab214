-- What several scripts do alike. KEYS[1] is the pool's prefix; every key is under it, so all share one hash slot.
--
--   <prefix>:nodes            sorted set  node, score 0, so that it can be paged by name
--   <prefix>:beats            sorted set  node -> its last heartbeat, ms
--   <prefix>:lost             sorted set  node -> when it was found lost, ms
--   <prefix>:node:<node>      hash        doc (as registered), state, types (",a,b,"), load, f (what is free, as
--                                         five numbers), volumes (that it holds, as its heartbeat says), and
--                                         "a:<attempt>" for each reservation there
--   <prefix>:attempt:<id>     string      "task node fencing confirmed r1 r2 r3 r4 r5": confirmed is 0 or 1, r is
--                                         what it holds
--   <prefix>:leases           sorted set  attempt -> when its lease ends, ms
--   <prefix>:task:<id>        hash        see task.go
--   <prefix>:tasks            sorted set  task -> when it was created, ms; not yet those whose first edge has not
--                                         answered
--   <prefix>:placing          sorted set  task that holds nothing -> when it is given up, ms
--   <prefix>:ended            sorted set  task -> when it ended, ms: the history
--   <prefix>:keys             hash        idempotency key -> "<task> <digest of the request>"
--   <prefix>:fencing          counter     the highest fencing token given
--   <prefix>:changes          stream      c = "node state f1 f2 f3 f4 f5", and doc behind it after a registration;
--                                         "node gone" when it left; v = its volumes, where they are others now
--   <prefix>:generation       string      made by the first registration; another one means another pool
--   <prefix>:links            hash        node -> broker that holds its link
--
-- Several values share a string where the claim script writes them: each argument of a call costs there.
--
-- Resources are added back in one place only (drop), and only when the node still lists the attempt, so that no
-- amount is counted twice whatever order things arrive in.

local P = KEYS[1]
local AMOUNTS = '(%S+) (%S+) (%S+) (%S+) (%S+)$'
local ATTEMPT = '^(%S+) (%S+) (%S+) (%S+) ' .. AMOUNTS

local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- ended says whether a task's state is one of the last three.
local function ended(state)
  return state == 'finished' or state == 'failed' or state == 'expired'
end

local function change(text, volumes)
  if volumes then
    redis.call('XADD', P .. ':changes', 'MAXLEN', '~', 16384, '*', 'c', text, 'v', volumes)
  else
    redis.call('XADD', P .. ':changes', 'MAXLEN', '~', 16384, '*', 'c', text)
  end
end

-- note tells the brokers a node's state and free amounts, and its volumes where they are given.
local function note(node, volumes)
  local n = redis.call('HMGET', P .. ':node:' .. node, 'state', 'f')
  if n[1] then change(node .. ' ' .. n[1] .. ' ' .. n[2], volumes) end
end

-- token gives the next fencing token, above floor.
local function token(floor)
  local f = redis.call('INCR', P .. ':fencing')
  if f <= tonumber(floor) then
    f = floor + 1
    redis.call('SET', P .. ':fencing', string.format('%.0f', f))
  end
  return string.format('%.0f', f)
end

-- held returns a reservation as {task, node, fencing, confirmed, r1 to r5}, or nil.
local function held(id)
  local s = redis.call('GET', P .. ':attempt:' .. id)
  return s and {string.match(s, ATTEMPT)} or nil
end

-- hold writes a reservation.
local function hold(id, a)
  redis.call('SET', P .. ':attempt:' .. id, table.concat(a, ' '))
end

-- confirm notes that the edge has a reservation in its ledger, and renews its lease.
local function confirm(id, a, expiry)
  if a[4] ~= '1' then
    a[4] = '1'
    hold(id, a)
  end
  redis.call('ZADD', P .. ':leases', expiry, id)
end

-- present reads where a task runs, or ran last, from its field at: attempt, node, fencing; all nil where it holds
-- and held nothing.
local function present(at)
  if not at then return nil end
  return string.match(at, '^(%S+) (%S+) (%S+)$')
end

-- drop ends a reservation, gives its resources back, and returns it, or nil where there is none.
local function drop(id)
  redis.call('ZREM', P .. ':leases', id)
  local a = held(id)
  if not a then return nil end
  redis.call('DEL', P .. ':attempt:' .. id)
  local node = P .. ':node:' .. a[2]
  if redis.call('HDEL', node, 'a:' .. id) == 1 then
    local free = redis.call('HGET', node, 'f')
    if free then -- else the node is just being registered, which counts what it has free
      local f = {string.match(free, AMOUNTS)}
      for k = 1, 5 do f[k] = string.format('%.0f', f[k] + a[4 + k]) end
      redis.call('HSET', node, 'f', table.concat(f, ' '))
      note(a[2])
    end
  end
  return a
end

-- list makes a task visible in lists.
local function list(task)
  local created = redis.call('HGET', P .. ':task:' .. task, 'created')
  if created then redis.call('ZADD', P .. ':tasks', created, task) end
end

-- finish ends a task, and forgets the oldest ended ones beyond keep.
local function finish(task, state, reason, usage, ms, keep)
  local key = P .. ':task:' .. task
  redis.call('HSET', key, 'state', state, 'reason', reason, 'ended', ms)
  if usage ~= '' then redis.call('HSET', key, 'usage', usage) end
  redis.call('HDEL', key, 'big')
  redis.call('ZREM', P .. ':placing', task)
  redis.call('ZADD', P .. ':ended', ms, task)
  list(task)
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
  local t = redis.call('HMGET', P .. ':task:' .. task, 'state', 'at')
  if t[1] and present(t[2]) == id and not ended(t[1]) then
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

