-- Sets a node's state. ARGV: 1 node, 2 state. Returns 0 where it is unknown or lost and must register.
local node = P .. ':node:' .. ARGV[1]
local state = redis.call('HGET', node, 'state')
if not state or state == 'lost' then return 0 end
if state ~= ARGV[2] then
  redis.call('HSET', node, 'state', ARGV[2])
  note(ARGV[1])
end
return 1
