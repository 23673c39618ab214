-- Notes that the edge has an attempt in its ledger. ARGV: 1 attempt, 2 lease ms. Returns 0 where it is not held.
local id = ARGV[1]
local a = held(id)
if not a then return 0 end
confirm(id, a, clock() + ARGV[2])
local tkey = P .. ':task:' .. a[1]
local t = redis.call('HMGET', tkey, 'state', 'at')
if t[1] == 'placing' and present(t[2]) == id then
  redis.call('HSET', tkey, 'state', 'reserved')
  list(a[1])
end
return 1
