-- Sets a node's state as if it said so itself. ARGV: 1 node, 2 state. Returns 0 where it is unknown or lost and must
-- register.
local node = P .. ':node:' .. ARGV[1]
local now = redis.call('HGET', node, 'state')
if not now or now == 'lost' then return 0 end
redis.call('HSET', node, 'said', ARGV[2])
settle(ARGV[1])
return 1
