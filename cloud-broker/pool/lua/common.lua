-- What several scripts do alike. KEYS[1] is the pool's prefix; every key is under it, so all share one hash slot.
--
--   <prefix>:nodes            sorted set  node, score 0, so that it can be paged by name
--   <prefix>:beats            sorted set  node -> its last heartbeat, ms
--   <prefix>:lost             sorted set  node -> when it was found lost, ms
--   <prefix>:node:<node>      hash        doc (as registered, and as an operator has it), own (as registered, where that
--                                         is another), over (the override that doc has in it), state, said (the
--                                         state that its heartbeats say), op (cordoned or draining, where an operator
--                                         says so), until (a drain's deadline, ms), types (",a,b,"), load, cap (capacity
--                                         as five numbers, and behind them memory and time of each GPU where there are
--                                         several), f (what is free, alike), volumes (that it holds, as its heartbeat
--                                         says), and "a:<attempt>" for each reservation there
--   <prefix>:cordons          sorted set  node -> when it was cordoned, ms; outlives the node's own record
--   <prefix>:drains           sorted set  node -> when what still runs there is released, ms
--   <prefix>:overrides        hash        node -> signaling.Override as JSON
--   <prefix>:schedules        hash        node -> signaling.Schedule as JSON
--   <prefix>:scheduled        string      when schedules were changed last, and that of which node
--   <prefix>:attempt:<id>     string      "task node fencing confirmed gpu r1 r2 r3 r4 r5": confirmed is 0 or 1, r is
--                                         what it holds
--   <prefix>:leases           sorted set  attempt -> when its lease ends, ms
--   <prefix>:idle             sorted set  attempt -> since when it has had no input, ms
--   <prefix>:omitted          sorted set  attempt -> since when its node's heartbeats lack it though it was confirmed, ms
--   <prefix>:task:<id>        hash        see task.go
--   <prefix>:view:<task>      string      "<attempt> <revision> <view state>", until the task ends
--   <prefix>:tasks            sorted set  task -> when it was created, ms; not yet those whose first edge has not
--                                         answered
--   <prefix>:placing          sorted set  task that holds nothing -> when it is given up, ms
--   <prefix>:queue, :urgent   sorted set  task that waits in the fair queue -> its start tag (queue.go)
--   <prefix>:mine:<creator>   set         tasks of a creator with a quota that were placed, until they end
--   <prefix>:tags:<class>     sorted set  creator -> finish tag of its last task, where that is ahead of the queue
--   <prefix>:waits:<class>    hash        creator -> how many of its tasks wait
--   <prefix>:fair             hash        class -> the queue's virtual time; n: how many were queued
--   <prefix>:freed            list        when places became free lately, ms
--   <prefix>:ended            sorted set  task -> when it ended, ms: the history
--   <prefix>:keys             hash        idempotency key -> "<task> <digest of the request>"
--   <prefix>:fencing          counter     the highest fencing token given
--   <prefix>:changes          stream      c = "node state " and f, and doc behind it after a registration;
--                                         "node gone" when it left; v = its volumes, where they are others now
--   <prefix>:generation       string      made by the first registration; another one means another pool
--   <prefix>:links            hash        node -> broker that holds its link
--   <prefix>:experience       hash        "node type" -> averages of ended tasks (experience.go)
--   <prefix>:experienced      sorted set  "node type" -> when it was noted last, ms
--   <prefix>:pings:<zone>     hash        node -> "round trip, ms; when it was measured last, ms"
--   <prefix>:duty:<what>      string      "broker until": one broker at a time does it (lease.go)
--   <prefix>:told:<what>      hash        broker -> "until, ms; what it has under way" (told.go)
--   <prefix>:reports:<what>   list        what has ended of it, the last one first
--   <prefix>:zones            sorted set  zone -> when it was pinged from last, ms
--
-- Several values share a string where the claim script writes them: each argument of a call costs there.
--
-- Resources are added back in one place only (drop), and only when the node still lists the attempt, so that no
-- amount is counted twice whatever order things arrive in.

-- include choose

-- include unqueue

local P = KEYS[1]
local ATTEMPT = '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$'

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
    redis.call('XADD', P .. ':changes', 'MAXLEN', '~', '16384', '*', 'c', text, 'v', volumes)
  else
    redis.call('XADD', P .. ':changes', 'MAXLEN', '~', '16384', '*', 'c', text)
  end
end

-- note tells the brokers a node's state and free amounts, and its volumes where they are given.
local function note(node, volumes)
  local n = redis.call('HMGET', P .. ':node:' .. node, 'state', 'f')
  if n[1] then change(node .. ' ' .. n[1] .. ' ' .. n[2], volumes) end
end

-- state is a node's state by what it says itself and what an operator says of it: who wants less work wins.
local function state(said, op)
  if said == 'draining' then return said end
  return op or said
end

-- settle makes a node's state what state says, and tells the brokers where that is new. A lost node stays lost.
local function settle(node)
  local n = redis.call('HMGET', P .. ':node:' .. node, 'state', 'said', 'op')
  local new = state(n[2], n[3])
  if n[1] ~= 'lost' and n[1] ~= new then
    redis.call('HSET', P .. ':node:' .. node, 'state', new)
    note(node)
  end
end

-- amounts reads numbers parted by spaces.
local function amounts(text)
  local list = {}
  for v in string.gmatch(text, '%S+') do list[#list + 1] = tonumber(v) end
  return list
end

local function encode(list)
  local text = {}
  for k, v in ipairs(list) do text[k] = string.format('%d', v) end
  return table.concat(text, ' ')
end

-- add changes a node's amounts by sign times what a reservation holds, those of its GPU too where the node has several.
local function add(free, a, sign)
  for k = 1, 5 do free[k] = free[k] + sign * a[5 + k] end
  local gpu = 6 + 2 * a[5]
  if free[gpu] then
    free[gpu], free[gpu + 1] = free[gpu] + sign * a[6], free[gpu + 1] + sign * a[7]
  end
end

-- beginning is where the counter of fencing tokens begins, also after Redis has lost it: above all that was ever given, of
-- which edges that are not back yet may bring some. It has room for a million tokens a second, and stays exact as a double
-- until the year 2242.
local function beginning() return redis.call('TIME')[1] * 1048576 end

-- token gives the next fencing token, above floor.
local function token(floor)
  local f = redis.call('INCR', P .. ':fencing')
  if f <= tonumber(floor) or f == 1 then
    f = math.max(floor, beginning()) + 1
    redis.call('SET', P .. ':fencing', string.format('%d', f))
  end
  return string.format('%d', f)
end

-- held returns a reservation as {task, node, fencing, confirmed, gpu, r1 to r5}, or nil.
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
  redis.call('ZADD', P .. ':leases', string.format('%d', expiry), id)
end

-- present reads where a task runs, or ran last, from its field at, and its standby from its field standby: attempt, node,
-- fencing, gpu; all nil where there is none.
local function present(at)
  if not at then return nil end
  return string.match(at, '^(%S+) (%S+) (%S+) (%S+)$')
end

-- drop ends a reservation, gives its resources back, and returns it, or nil where there is none.
local function drop(id)
  redis.call('ZREM', P .. ':leases', id)
  local a = held(id)
  if not a then return nil end
  redis.call('DEL', P .. ':attempt:' .. id)
  redis.call('ZREM', P .. ':idle', id)
  redis.call('ZREM', P .. ':omitted', id)
  local task = P .. ':task:' .. a[1]
  local t = redis.call('HMGET', task, 'standby', 'at')
  if present(t[1]) == id then redis.call('HDEL', task, 'standby') end
  if present(t[2]) == id then redis.call('HSET', task, 'held', table.concat(a, ' ', 6)) end
  local node = P .. ':node:' .. a[2]
  if redis.call('HDEL', node, 'a:' .. id) == 1 then
    local free = redis.call('HGET', node, 'f')
    if free then -- else the node registers for the first time, which counts what it has free
      free = amounts(free)
      add(free, a, 1)
      redis.call('HSET', node, 'f', encode(free))
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

-- freed notes that a place has become free by the end of a task.
local function freed(ms)
  if redis.call('RPUSH', P .. ':freed', ms) > 128 then redis.call('LTRIM', P .. ':freed', -64, -1) end
end

-- finish ends a task, releases its standby, and forgets the oldest ended ones beyond keep. It returns the standby's
-- attempt, node and fencing token, or nil.
local function finish(task, state, reason, usage, ms, keep)
  local key = P .. ':task:' .. task
  local t = redis.call('HMGET', key, 'standby', 'q', 'mine')
  redis.call('HSET', key, 'state', state, 'reason', reason, 'ended', ms)
  if usage ~= '' then redis.call('HSET', key, 'usage', usage) end
  redis.call('HDEL', key, 'big', 'turn')
  redis.call('DEL', P .. ':view:' .. task)
  redis.call('ZREM', P .. ':placing', task)
  if t[2] then unqueue(task, t[2], false) end
  if t[3] then redis.call('SREM', P .. ':mine:' .. t[3], task) end
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
  local id, node, fencing = present(t[1])
  if id and drop(id) then return id, node, fencing end
end

-- fail ends the task of a reservation that was just dropped, if it is the task's present one. A task with a standby that
-- its edge has confirmed does not end: it is placing until the standby is promoted, for ttl ms. It returns the
-- task's state then, or '' where the task goes on with another attempt, and a released standby as finish does.
local function fail(id, task, reason, ms, keep, ttl)
  local key = P .. ':task:' .. task
  local t = redis.call('HMGET', key, 'state', 'at', 'standby')
  local current, _, given = present(t[2])
  if not t[1] or current ~= id or ended(t[1]) then return '' end
  local standby = present(t[3])
  local s = standby and held(standby)
  if s and s[4] == '1' then
    redis.call('HSET', key, 'state', 'placing', 'reason', reason)
    redis.call('HDEL', key, 'at')
    redis.call('HINCRBY', key, 'misses', 1)
    -- Its edge may come back with it, but not one with an older attempt.
    if tonumber(redis.call('HGET', key, 'fence') or '0') < tonumber(given) then redis.call('HSET', key, 'fence', given) end
    redis.call('ZADD', P .. ':placing', ms + ttl, task)
    return 'placing'
  end
  freed(ms)
  return 'failed', finish(task, 'failed', reason, '', ms, keep)
end

-- holds lists the reservations on a node.
local function holds(node)
  local ids = {}
  for _, field in ipairs(redis.call('HKEYS', P .. ':node:' .. node)) do
    if string.sub(field, 1, 2) == 'a:' then ids[#ids + 1] = string.sub(field, 3) end
  end
  return ids
end

-- forget takes a node's record out of the pool.
local function forget(node)
  redis.call('DEL', P .. ':node:' .. node)
  redis.call('ZREM', P .. ':nodes', node)
  redis.call('ZREM', P .. ':beats', node)
  redis.call('ZREM', P .. ':lost', node)
  redis.call('ZREM', P .. ':drains', node)
  redis.call('HDEL', P .. ':links', node)
  change(node .. ' gone')
end

