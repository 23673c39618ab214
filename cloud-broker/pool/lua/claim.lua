-- Reserves resources for a task on the first candidate that is ready, takes its type and has room.
-- ARGV: 1 attempt, 2 task, 3 type as ",type,", 4 needs (five numbers), 5 lease ms, 6 floor of the fencing token,
-- 7 request, 8 candidates, parted by spaces, and where they are given 9 large parameters or '', 10 idempotency key,
-- 11 digest of the request, 12 hash of the creator and 13 the quota (five numbers), where there is one; 10 and 11 may then be ''.
-- Returns one text, which costs less than a list: "ok <task> <node> <fencing> <gpu>", "again <task> <at> <lease ms left>
-- <attempt's record>" (the record is empty where it is not held any more), "none <task>", "reused",
-- "ended <task>" or "quota <task>".
-- It is the hot path: it has no prelude, every call and argument in it was weighed, and a function is made only where it
-- is needed.
local P, A, call, match = KEYS[1], ARGV, redis.call, string.match
local task, key, known = A[2], A[10] ~= '' and A[10], false

-- A new key is written at once, and taken back where nothing fits.
if key and call('HSETNX', P .. ':keys', key, task .. ' ' .. A[11]) == 0 then
  local first, digest = match(call('HGET', P .. ':keys', key), '^(%S+) (%S+)$')
  if digest ~= A[11] then return 'reused' end
  task, known = first, true
end
local taskKey = P .. ':task:' .. task
local state, q, standby = call('HGET', taskKey, 'state'), nil, nil
if state then
  local t = call('HMGET', taskKey, 'at', 'q', 'standby')
  local present = t[1] and match(t[1], '^%S+')
  q, standby = t[2], t[3] and match(t[3], '^%S+ (%S+)') -- whose node is of no use as the task's own too
  if present then
    local time, ends = call('TIME'), call('ZSCORE', P .. ':leases', present)
    local left = ends and ends - (time[1] * 1000 + math.floor(time[2] / 1000)) or 0
    -- Asked again, by the same key or by a client that lost the answer; or placed meanwhile, by another broker.
    if known or present == A[1] or left > 0 then
      return 'again ' .. task .. ' ' .. t[1] .. ' ' .. string.format('%d', math.max(left, 0)) .. ' ' ..
        (call('GET', P .. ':attempt:' .. present) or '')
    end
  end
  if state == 'finished' or state == 'failed' or state == 'expired' then
    if key and not known then call('HDEL', P .. ':keys', key) end
    return 'ended ' .. task
  end
end

local mine = A[12] and P .. ':mine:' .. A[12]
if mine then
  -- include quota
  if not within(mine, A[13], A[4]) then
    if key and not known then call('HDEL', P .. ':keys', key) end
    return 'quota ' .. task
  end
end

local n1, n2, n3, n4, n5 = match(A[4], '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
for node in string.gmatch(A[8], '%S+') do
  local nodeKey = P .. ':node:' .. node
  local n = call('HMGET', nodeKey, 'state', 'types', 'f')
  if n[1] == 'ready' and node ~= standby and string.find(n[2], A[3], 1, true) then
    local f1, f2, f3, f4, f5, gpus = match(n[3], '^(%S+) (%S+) (%S+) (%S+) (%S+) ?(.*)$')
    f1, f2, f3, f4, f5 = f1 - n1, f2 - n2, f3 - n3, f4 - n4, f5 - n5
    if f1 >= 0 and f2 >= 0 and f3 >= 0 and f4 >= 0 and f5 >= 0 then
      local free, gpu = string.format('%d %d %d %d %d', f1, f2, f3, f4, f5), '0'
      if gpus ~= '' then
        -- include choose
        gpu, gpus = choose(gpus, n1, n2)
        if gpu then free = free .. ' ' .. gpus end
      end
      if gpu then
        local fencing, floor = call('INCR', P .. ':fencing'), tonumber(A[6])
        if fencing <= floor or fencing == 1 then -- as token in common.lua
          fencing = math.max(floor, call('TIME')[1] * 1048576) + 1
          call('SET', P .. ':fencing', string.format('%d', fencing))
        end
        local place = ' ' .. node .. string.format(' %d ', fencing)
        -- The entry's name begins with the server's time in ms: one call to TIME less. The stream is trimmed by
        -- whatever ends the reservation, which makes an entry too.
        local ms = match(call('XADD', P .. ':changes', '*', 'c', node .. ' ready ' .. free), '^%d+')
        call('HSET', nodeKey, 'f', free, 'a:' .. A[1], '')
        call('SET', P .. ':attempt:' .. A[1], task .. place .. '0 ' .. gpu .. ' ' .. A[4])
        call('ZADD', P .. ':leases', string.format('%d', ms + A[5]), A[1]) -- a number as it is would be written as %.17g
        local at = A[1] .. place .. gpu
        if state then
          call('HSET', taskKey, 'at', at)
          if key and not known then call('HSET', taskKey, 'key', key) end
          call('ZREM', P .. ':placing', task)
          if q then
            -- include unqueue
            unqueue(task, q, true)
          end
        else
          if key then
            call('HSET', taskKey, 'state', 'placing', 'at', at, 'req', A[7], 'created', ms, 'key', key)
          else
            call('HSET', taskKey, 'state', 'placing', 'at', at, 'req', A[7], 'created', ms)
          end
          if A[9] and A[9] ~= '' then call('HSET', taskKey, 'big', A[9]) end
        end
        if mine then
          call('SADD', mine, task)
          call('HSET', taskKey, 'mine', A[12])
        end
        return 'ok ' .. task .. place .. gpu
      end
    end
  end
end
if key and not known then call('HDEL', P .. ':keys', key) end
return 'none ' .. task
