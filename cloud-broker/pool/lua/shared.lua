-- What the claim scripts share with the others; it is small, because it leads the hot path.

-- choose takes n1 MiB and n2 thousandths from the one of several GPUs that they leave the least of: of its time, and
-- where that is equal of its memory. gpus has two numbers for each. It returns the GPU's index from 0 and what is free
-- of all then, or nil where none has room.
local function choose(gpus, n1, n2)
  local free, best, time, memory = {}, nil, 0, 0
  for m, u in string.gmatch(gpus, '(%S+) (%S+)') do
    local k = #free
    free[k + 1], free[k + 2] = m, u
    m, u = m - n1, u - n2
    if m >= 0 and u >= 0 and (not best or u < time or u == time and m < memory) then
      best, time, memory = k / 2, u, m
    end
  end
  if not best then return nil end
  free[2 * best + 1], free[2 * best + 2] = string.format('%d', memory), string.format('%d', time)
  return best, table.concat(free, ' ')
end

-- unqueue takes a task out of the fair queue. q is its field of that name: "class creator tag". served says that it got
-- a place, which moves the queue's time on; else the creator's turn is given back, where it was the last one.
local function unqueue(task, q, served)
  local P, call = KEYS[1], redis.call
  local class, creator, tag = string.match(q, '^(%S+) (%S+) (%S+)$')
  local queue, tags, waits = P .. ':' .. class, P .. ':tags:' .. class, P .. ':waits:' .. class
  call('HDEL', P .. ':task:' .. task, 'q')
  if call('ZREM', queue, task) == 0 then return end
  local creators = call('HLEN', waits)
  if call('HINCRBY', waits, creator, -1) <= 0 then call('HDEL', waits, creator) end
  if call('EXISTS', queue) == 0 then -- nobody waits: time begins anew
    call('DEL', tags)
    call('HDEL', P .. ':fair', class)
  elseif served then
    call('HSET', P .. ':task:' .. task, 'turn', tag)
    local now = math.max(tonumber(tag), (call('HGET', P .. ':fair', class) or 0) + 1 / creators)
    call('HSET', P .. ':fair', class, string.format('%.6f', now))
    call('ZREMRANGEBYSCORE', tags, '-inf', now) -- those creators are back at the queue's time
  elseif math.abs((call('ZSCORE', tags, creator) or 0) - tag - 1) < 1e-3 then
    call('ZADD', tags, tag, creator)
  end
end

