-- Frees what nobody renews. Each kind is bounded by limit, so that a call stays short.
-- ARGV: 1 limit, 2 history, 3 heartbeat limit ms, 4 when a lost node is forgotten, ms.
-- Returns {released, lost}: released has task, attempt, node, fencing, state and reason of each, where state is ''
-- when the task goes on with another attempt; lost has the nodes.
local limit, keep, ms = ARGV[1], tonumber(ARGV[2]), clock()
local released, lost = {}, {}

local function say(task, attempt, node, fencing, state, reason)
  for _, v in ipairs({task, attempt, node, fencing, state, reason}) do released[#released + 1] = v end
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
    local state = fail(id, a[1], reason, ms, keep) and 'failed' or ''
    say(a[1], id, a[2], a[3], state, reason)
  end
end

for _, task in ipairs(redis.call('ZRANGEBYSCORE', P .. ':placing', '-inf', ms, 'LIMIT', 0, limit)) do
  local reason = 'it waited for a place and nobody asked for it any more'
  finish(task, 'expired', reason, '', ms, keep)
  say(task, '', '', '0', 'expired', reason)
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. ':lost', '-inf', ms - ARGV[4], 'LIMIT', 0, limit)) do
  if #holds(id) == 0 then
    redis.call('DEL', P .. ':node:' .. id)
    redis.call('ZREM', P .. ':nodes', id)
    redis.call('ZREM', P .. ':lost', id)
    redis.call('HDEL', P .. ':links', id)
    change(id .. ' gone')
  end
end
return {released, lost}
