-- Has a node take nothing new, or ends what an operator said of it. ARGV: 1 node, 2 'cordon', 'drain' or 'open',
-- 3 after how many ms a drain releases what still runs, 0 for never. Returns 0 where the node is unknown.
local id, what = ARGV[1], ARGV[2]
local node = P .. ':node:' .. id
if redis.call('EXISTS', node) == 0 then return 0 end
local ms = clock()
if what == 'open' then
  redis.call('HDEL', node, 'op', 'until')
  redis.call('ZREM', P .. ':cordons', id)
  redis.call('ZREM', P .. ':drains', id)
elseif what == 'cordon' then
  if redis.call('HGET', node, 'op') ~= 'draining' then redis.call('HSET', node, 'op', 'cordoned') end
  redis.call('ZADD', P .. ':cordons', ms, id)
  redis.call('ZREMRANGEBYRANK', P .. ':cordons', 0, -16385) -- the oldest are remembered by the nodes' records only
else
  redis.call('HSET', node, 'op', 'draining')
  if tonumber(ARGV[3]) > 0 then
    redis.call('HSET', node, 'until', ms + ARGV[3])
    redis.call('ZADD', P .. ':drains', ms + ARGV[3], id)
  else
    redis.call('HDEL', node, 'until')
    redis.call('ZREM', P .. ':drains', id)
  end
end
settle(id)
return 1
