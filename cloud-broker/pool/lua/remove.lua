-- Takes a node out of the pool; what runs there fails. ARGV: 1 node, 2 history. Returns 0 where it is unknown.
local id = ARGV[1]
local node = P .. ':node:' .. id
if redis.call('EXISTS', node) == 0 then return 0 end
local ms, keep = clock(), tonumber(ARGV[2])
for _, attempt in ipairs(holds(id)) do
  local a = drop(attempt)
  if a then fail(attempt, a[1], 'node ' .. id .. ' was removed', ms, keep) end
end
redis.call('DEL', node)
redis.call('ZREM', P .. ':nodes', id)
redis.call('ZREM', P .. ':beats', id)
redis.call('ZREM', P .. ':lost', id)
redis.call('HDEL', P .. ':links', id)
change(id .. ' gone')
return 1
