-- Frees what nobody renews, and what is on a node whose drain is over. Each kind is bounded by limit, so that a call stays
-- short.
-- ARGV: 1 limit, 2 history, 3 heartbeat limit ms, 4 when a lost node is forgotten, ms, 5 how long a task may be placing,
-- ms, 6 floor of the fencing token.
-- Returns {released, lost}: released has task, attempt, node, a fencing token that overrules it, state and reason of
-- each, where state is '' when the task goes on with another attempt; lost has the nodes.
local limit, keep, ms, ttl = tonumber(ARGV[1]), tonumber(ARGV[2]), clock(), ARGV[5]
local released, lost = {}, {}

local function say(task, attempt, node, fencing, state, reason)
  for _, v in ipairs({task, attempt, node, fencing, state, reason}) do released[#released + 1] = v end
end

-- failed says what has become of a dropped reservation's task, and with it of its standby.
local function failed(id, a, fencing, reason)
  local state, standby, node, given = fail(id, a[1], reason, ms, keep, ttl)
  say(a[1], id, a[2], fencing, state, reason)
  if standby then say(a[1], standby, node, given, '', 'its task ended') end
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. ':beats', '-inf', '(' .. (ms - ARGV[3]), 'LIMIT', 0, limit)) do
  redis.call('ZREM', P .. ':beats', id)
  if redis.call('HEXISTS', P .. ':node:' .. id, 'state') == 1 then
    redis.call('HSET', P .. ':node:' .. id, 'state', 'lost')
    redis.call('ZADD', P .. ':lost', ms, id)
    note(id)
    lost[#lost + 1] = id
  end
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. ':leases', '-inf', ms, 'LIMIT', 0, limit)) do
  local a = drop(id)
  if a then
    local reason = 'node ' .. a[2] .. ' did not confirm it in time'
    if redis.call('HGET', P .. ':node:' .. a[2], 'state') == 'lost' then
      reason = 'node ' .. a[2] .. ' was lost: its heartbeats stopped'
    elseif a[4] == '1' then
      reason = 'node ' .. a[2] .. ' no longer reports it'
    end
    failed(id, a, a[3], reason)
  end
end

-- What a drained node still runs is overruled, so that its ledger brings nothing back.
local left = limit
for _, node in ipairs(redis.call('ZRANGEBYSCORE', P .. ':drains', '-inf', ms, 'LIMIT', 0, limit)) do
  local running = holds(node)
  for k = 1, math.min(left, #running) do
    local id, a = running[k], held(running[k])
    if a then
      local fence, tkey = token(ARGV[6]), P .. ':task:' .. a[1]
      local t = redis.call('HMGET', tkey, 'at', 'standby')
      if present(t[1]) == id then redis.call('HSET', tkey, 'fence', fence) end
      if present(t[2]) == id then redis.call('HSET', tkey, 'dropped', fence) end
      drop(id)
      failed(id, a, fence, 'node ' .. node .. ' was drained: its time is over')
    else
      redis.call('HDEL', P .. ':node:' .. node, 'a:' .. id)
    end
  end
  left = left - #running
  if left < 0 then break end
  redis.call('ZREM', P .. ':drains', node)
end

for _, task in ipairs(redis.call('ZRANGEBYSCORE', P .. ':placing', '-inf', ms, 'LIMIT', 0, limit)) do
  local reason = 'it waited for a place and nobody asked for it any more'
  local standby, node, given = finish(task, 'expired', reason, '', ms, keep)
  say(task, '', '', '0', 'expired', reason)
  if standby then say(task, standby, node, given, '', 'its task ended') end
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. ':lost', '-inf', ms - ARGV[4], 'LIMIT', 0, limit)) do
  if #holds(id) == 0 then forget(id) end
end
return {released, lost}
