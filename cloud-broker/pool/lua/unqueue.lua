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
