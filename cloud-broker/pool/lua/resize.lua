-- Makes what an attempt holds other amounts, and what its node and its GPU have free with it.
-- ARGV: 1 task, 2 attempt, 3... the five amounts, each '-' where it stays as it is.
-- Returns 'ok', 'none' where the node or the GPU has less free than an amount grows by, or 'unknown' where the attempt is
-- neither the task's own nor its standby.
local task, id = ARGV[1], ARGV[2]
local t = redis.call('HMGET', P .. ':task:' .. task, 'state', 'at', 'standby')
local a = held(id)
if ended(t[1]) or not a or a[1] ~= task or present(t[2]) ~= id and present(t[3]) ~= id then return 'unknown' end
local node = P .. ':node:' .. a[2]
local f = redis.call('HGET', node, 'f')
if not f or redis.call('HEXISTS', node, 'a:' .. id) == 0 then return 'unknown' end

local free, grows, changes = amounts(f), {}, false
add(free, a, 1)
for k = 1, 5 do
  local to = ARGV[2 + k]
  if to ~= '-' and to ~= a[5 + k] then
    grows[k] = tonumber(to) > tonumber(a[5 + k])
    a[5 + k], changes = to, true
  end
end
if not changes then return 'ok' end
add(free, a, -1)
-- What grows must fit; a node that an operator made smaller than what runs there can still be given something back.
local gpu = 6 + 2 * a[5]
for k = 1, 5 do
  if grows[k] and (free[k] < 0 or k < 3 and (free[gpu + k - 1] or 0) < 0) then return 'none' end
end
hold(id, a)
redis.call('HSET', node, 'f', encode(free))
note(a[2])
return 'ok'
