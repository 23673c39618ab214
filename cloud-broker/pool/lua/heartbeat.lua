-- Keeps a node in the pool and renews the leases of its reservations.
-- ARGV: 1 node, 2 state, 3 load, 4 lease ms, 5 volumes that it holds, with spaces, 6... attempts of its ledger.
-- Returns {'ok'}, {'unknown'} where the node must register, or {'attempts', ...} with those that are not held.
local id = ARGV[1]
local node = P .. ':node:' .. id
local before = redis.call('HMGET', node, 'state', 'volumes')
local state = before[1]
if not state or state == 'lost' then return {'unknown'} end
local ms = clock()
redis.call('ZADD', P .. ':beats', ms, id)
redis.call('HSET', node, 'state', ARGV[2], 'load', ARGV[3])
if (before[2] or '') ~= ARGV[5] then
  redis.call('HSET', node, 'volumes', ARGV[5])
  note(id, ARGV[5])
elseif state ~= ARGV[2] then
  note(id)
end
local answer = {'ok'}
for i = 6, #ARGV do
  local a = held(ARGV[i])
  if a and a[2] == id then
    confirm(ARGV[i], a, ms + ARGV[4])
  else
    answer[1] = 'attempts'
    answer[#answer + 1] = ARGV[i]
  end
end
return answer
