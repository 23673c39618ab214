-- Keeps what an operator says of a node and makes the node so. ARGV: 1 node, 2 override or '' for none, 3 how many
-- nodes may have one, and for a node that is in the pool 4 doc as registered, as it was read, 5 doc with the
-- override, 6 types, 7 capacity as the field cap, 8 '1' where the two docs differ.
-- Returns {'ok'}, {'full'}, or {'again'} where the node has registered anew or is not as it was read.
local id = ARGV[1]
local node = P .. ':node:' .. id
local n = redis.call('HMGET', node, 'doc', 'own', 'state')
if (n[2] or n[1] or '') ~= (ARGV[4] or '') then return {'again'} end
if ARGV[2] == '' then
  redis.call('HDEL', P .. ':overrides', id)
else
  if redis.call('HEXISTS', P .. ':overrides', id) == 0 and redis.call('HLEN', P .. ':overrides') >= tonumber(ARGV[3]) then
    return {'full'}
  end
  redis.call('HSET', P .. ':overrides', id, ARGV[2])
end
if not n[1] then return {'ok'} end
local free = amounts(ARGV[7])
for _, attempt in ipairs(holds(id)) do
  local a = held(attempt)
  if a then add(free, a, -1) end
end
local f = encode(free)
redis.call('HSET', node, 'doc', ARGV[5], 'types', ARGV[6], 'cap', ARGV[7], 'f', f)
redis.call('HDEL', node, 'own', 'over')
if ARGV[2] ~= '' then redis.call('HSET', node, 'over', ARGV[2]) end
if ARGV[8] == '1' then redis.call('HSET', node, 'own', ARGV[4]) end
change(id .. ' ' .. n[3] .. ' ' .. f .. ' ' .. ARGV[5], redis.call('HGET', node, 'volumes'))
return {'ok'}
