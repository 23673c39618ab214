-- Reserves resources for a task on the first candidate that is ready, takes its type and has room.
-- ARGV: 1 attempt, 2 task, 3 type as ",type,", 4-8 needs, 9 lease ms, 10 floor of the fencing token,
-- 11 idempotency key or '', 12 digest of the request, 13 creator, 14 request, 15 large parameters or '',
-- 16... candidates.
-- Returns {'ok', task, node, fencing}, {'again', task, attempt, node, fencing, lease ms left, confirmed, r1..r5},
-- {'none'}, {'reused'} or {'ended'}.
-- It is the hot path: it shares no prelude, and each call to Redis in it was counted.
local P, A, call = KEYS[1], ARGV, redis.call
local task, known = A[2], false

if A[11] ~= '' then
  local entry = call('HGET', P .. ':keys', A[11])
  if entry then
    local bar = string.find(entry, ' ', 1, true)
    if string.sub(entry, bar + 1) ~= A[12] then return {'reused'} end
    task, known = string.sub(entry, 1, bar - 1), true
  end
end

local time = call('TIME')
local ms = time[1] * 1000 + math.floor(time[2] / 1000)
local taskKey = P .. ':task:' .. task
local t = call('HMGET', taskKey, 'state', 'attempt', 'node', 'fencing')
local over = t[1] == 'finished' or t[1] == 'failed' or t[1] == 'expired'
if t[2] and (known or t[2] == A[1]) then -- asked again, by the same key or by a client that lost the answer
  local a = call('HMGET', P .. ':attempt:' .. t[2], 'confirmed', 'r1', 'r2', 'r3', 'r4', 'r5')
  local left = tonumber(call('ZSCORE', P .. ':leases', t[2]) or ms) - ms
  return {'again', task, t[2], t[3], t[4], math.max(left, 0), a[1] or '0',
    a[2] or '0', a[3] or '0', a[4] or '0', a[5] or '0', a[6] or '0'}
end
if over then
  return {'ended', task}
end

for i = 16, #A do
  local node = A[i]
  local nodeKey = P .. ':node:' .. node
  local n = call('HMGET', nodeKey, 'state', 'types', 'f1', 'f2', 'f3', 'f4', 'f5')
  if n[1] == 'ready' and string.find(n[2], A[3], 1, true) then
    local f1, f2, f3, f4, f5 = n[3] - A[4], n[4] - A[5], n[5] - A[6], n[6] - A[7], n[7] - A[8]
    if f1 >= 0 and f2 >= 0 and f3 >= 0 and f4 >= 0 and f5 >= 0 then
      local fencing = call('INCR', P .. ':fencing')
      local floor = tonumber(A[10])
      if fencing <= floor then
        fencing = floor + 1
        call('SET', P .. ':fencing', string.format('%.0f', fencing))
      end
      local token = string.format('%.0f', fencing)
      call('HSET', nodeKey, 'f1', f1, 'f2', f2, 'f3', f3, 'f4', f4, 'f5', f5, 'a:' .. A[1], '')
      call('HSET', P .. ':attempt:' .. A[1], 'task', task, 'node', node, 'fencing', token, 'confirmed', '0',
        'r1', A[4], 'r2', A[5], 'r3', A[6], 'r4', A[7], 'r5', A[8])
      call('ZADD', P .. ':leases', ms + A[9], A[1])
      if t[1] then
        call('HSET', taskKey, 'attempt', A[1], 'node', node, 'fencing', token, 'fence', token)
        call('ZREM', P .. ':placing', task)
      else
        call('HSET', taskKey, 'state', 'placing', 'attempt', A[1], 'node', node, 'fencing', token, 'fence', token,
          'creator', A[13], 'req', A[14], 'created', ms, 'key', A[11])
        if A[15] ~= '' then call('HSET', taskKey, 'big', A[15]) end
        call('ZADD', P .. ':tasks', ms, task)
      end
      if A[11] ~= '' and not known then call('HSET', P .. ':keys', A[11], task .. ' ' .. A[12]) end
      call('XADD', P .. ':changes', 'MAXLEN', '~', 16384, '*', 'n', node, 's', 'ready',
        'f', f1 .. ' ' .. f2 .. ' ' .. f3 .. ' ' .. f4 .. ' ' .. f5)
      return {'ok', task, node, token}
    end
  end
end
return {'none', task}
