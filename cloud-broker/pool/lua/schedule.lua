-- Keeps when an operator has a node open. ARGV: 1 node, 2 schedule or '' for none, 3 how many nodes may have one.
-- Returns 1, or 0 where too many have one. The version changes with each change.
local id = ARGV[1]
local all = P .. ':schedules'
if ARGV[2] == '' then
  if redis.call('HDEL', all, id) == 0 then return 1 end
else
  if redis.call('HEXISTS', all, id) == 0 and redis.call('HLEN', all) >= tonumber(ARGV[3]) then return 0 end
  redis.call('HSET', all, id, ARGV[2])
end
-- By the clock, so that a pool that has lost its Redis does not come back to an old version.
local t = redis.call('TIME')
redis.call('SET', P .. ':scheduled', t[1] .. '.' .. t[2] .. ' ' .. id)
return 1
