-- Notes that the edge has an attempt in its ledger. ARGV: 1 attempt, 2 lease ms. Returns 0 where it is not held.
local key = P .. ':attempt:' .. ARGV[1]
local task = redis.call('HGET', key, 'task')
if not task then return 0 end
redis.call('HSET', key, 'confirmed', '1')
redis.call('ZADD', P .. ':leases', clock() + ARGV[2], ARGV[1])
local t = redis.call('HMGET', P .. ':task:' .. task, 'state', 'attempt')
if t[1] == 'placing' and t[2] == ARGV[1] then redis.call('HSET', P .. ':task:' .. task, 'state', 'reserved') end
return 1
