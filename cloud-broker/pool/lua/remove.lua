-- Takes a node out of the pool, with what operators said of it and what was learnt of it; what runs there fails.
-- ARGV: 1 node, 2 history, 3 how long a task may be placing, ms, 4... the task types. Returns 0 where it is unknown.
local id = ARGV[1]
if redis.call('EXISTS', P .. ':node:' .. id) == 0 then return 0 end
local ms, keep = clock(), tonumber(ARGV[2])
for _, attempt in ipairs(holds(id)) do
  local a = drop(attempt)
  if a then fail(attempt, a[1], 'node ' .. id .. ' was removed', ms, keep, ARGV[3]) end
end
forget(id)
redis.call('ZREM', P .. ':cordons', id)
redis.call('HDEL', P .. ':overrides', id)
for i = 4, #ARGV do
  redis.call('HDEL', P .. ':experience', id .. ' ' .. ARGV[i])
  redis.call('ZREM', P .. ':experienced', id .. ' ' .. ARGV[i])
end
return 1
