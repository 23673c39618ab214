-- Reserves a second place for a task, on the first candidate that fits and is not the task's own node.
-- ARGV: 1 attempt, 2 task, 3 type as ",type,", 4 needs (five numbers), 5 lease ms, 6 floor of the fencing token,
-- 7 candidates, parted by spaces.
-- Returns "ok <node> <fencing> <gpu>", "again <standby> <lease ms left> <attempt's record>", "none", "unknown" or "ended".
local task = ARGV[2]
local tkey = P .. ':task:' .. task
local t = redis.call('HMGET', tkey, 'state', 'at', 'standby')
if not t[1] then return 'unknown' end
if ended(t[1]) then return 'ended' end
if t[3] then
  local id = present(t[3])
  local ends = redis.call('ZSCORE', P .. ':leases', id)
  return 'again ' .. t[3] .. ' ' .. math.max((ends or 0) - clock(), 0) .. ' ' .. redis.call('GET', P .. ':attempt:' .. id)
end
local _, own = present(t[2])
local want = amounts(ARGV[4])
for node in string.gmatch(ARGV[7], '%S+') do
  local n = redis.call('HMGET', P .. ':node:' .. node, 'state', 'types', 'f')
  if node ~= own and n[1] == 'ready' and string.find(n[2], ARGV[3], 1, true) then
    local free, gpu = amounts(n[3]), 0
    local fits = true
    for k = 1, 5 do fits = fits and free[k] >= want[k] end
    if fits and #free > 5 then gpu = choose(table.concat(free, ' ', 6), want[1], want[2]) end
    if fits and gpu then
      local fencing = token(ARGV[6])
      local a = {task, node, fencing, '0', gpu, unpack(want)}
      add(free, a, -1)
      redis.call('HSET', P .. ':node:' .. node, 'f', encode(free), 'a:' .. ARGV[1], '')
      hold(ARGV[1], a)
      redis.call('ZADD', P .. ':leases', clock() + ARGV[5], ARGV[1])
      redis.call('HSET', tkey, 'standby', ARGV[1] .. ' ' .. node .. ' ' .. fencing .. ' ' .. gpu)
      note(node)
      return 'ok ' .. node .. ' ' .. fencing .. ' ' .. gpu
    end
  end
end
return 'none'
