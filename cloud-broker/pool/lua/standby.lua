-- Reserves a second place for a task, on the first candidate that fits and is not the task's own node: for a shadow, or for a
-- move, whose attempt's id says so (standby.go).
-- ARGV: 1 attempt, 2 task, 3 type as ",type,", 4 needs (five numbers), 5 lease ms, 6 floor of the fencing token,
-- 7 candidates, parted by spaces, and of a move 8 the node that the task is on.
-- A move holds what the task holds, which may be other than needs, and takes the place of a shadow, whose room counts as free.
-- Returns "ok <node> <fencing> <gpu> <amounts>", with " <attempt> <node> <fencing>" of a shadow that was released behind it,
-- "again <standby> <lease ms left> <attempt's record>", "moving" where another move has a reservation, "elsewhere" where the
-- task is not on that node, "closed" where the node of a move takes no such tasks now, "none", "unknown" or "ended".
local task, from = ARGV[2], ARGV[8]
local tkey = P .. ':task:' .. task
local t = redis.call('HMGET', tkey, 'state', 'at', 'standby')
if not t[1] then return 'unknown' end
if ended(t[1]) then return 'ended' end
local at, own = present(t[2])
local shadow, beside, given = present(t[3])
if shadow and (not from or shadow == ARGV[1]) then
  local ends = redis.call('ZSCORE', P .. ':leases', shadow)
  return 'again ' .. t[3] .. ' ' .. math.max((ends or 0) - clock(), 0) .. ' ' .. redis.call('GET', P .. ':attempt:' .. shadow)
end
if shadow and string.sub(shadow, 1, 2) == 'm-' then return 'moving' end
if from and own ~= from then return 'elsewhere' end
local want, s = amounts(ARGV[4]), shadow and held(shadow)
local now = from and held(at)
if now then want = {tonumber(now[6]), tonumber(now[7]), tonumber(now[8]), tonumber(now[9]), tonumber(now[10])} end
local open = false
for node in string.gmatch(ARGV[7], '%S+') do
  local n = redis.call('HMGET', P .. ':node:' .. node, 'state', 'types', 'f')
  if node ~= own and n[1] == 'ready' and string.find(n[2], ARGV[3], 1, true) then
    local free, gpu = amounts(n[3]), 0
    open = true
    if s and beside == node then add(free, s, 1) end
    local fits = true
    for k = 1, 5 do fits = fits and free[k] >= want[k] end
    if fits and #free > 5 then gpu = choose(table.concat(free, ' ', 6), want[1], want[2]) end
    if fits and gpu then
      local released = ''
      if shadow then
        redis.call('HSET', tkey, 'dropped', given) -- the edge's ledger brings it back no more
        drop(shadow)
        free = amounts(redis.call('HGET', P .. ':node:' .. node, 'f'))
        released = ' ' .. shadow .. ' ' .. beside .. ' ' .. given
      end
      local fencing = token(ARGV[6])
      local a = {task, node, fencing, '0', gpu, unpack(want)}
      add(free, a, -1)
      redis.call('HSET', P .. ':node:' .. node, 'f', encode(free), 'a:' .. ARGV[1], '')
      hold(ARGV[1], a)
      redis.call('ZADD', P .. ':leases', clock() + ARGV[5], ARGV[1])
      redis.call('HSET', tkey, 'standby', ARGV[1] .. ' ' .. node .. ' ' .. fencing .. ' ' .. gpu)
      note(node)
      return 'ok ' .. node .. ' ' .. fencing .. ' ' .. gpu .. ' ' .. encode(want) .. released
    end
  end
end
return from and not open and 'closed' or 'none'
