-- Checks a page of the pool's invariants. ARGV: 1 what: nodes, leases, tasks, queue or urgent, 2 the node behind which to
-- begin ('-' for the first), or the first rank, 3 limit.
-- Returns {problems, attempts, next}: attempts has id, task, fencing token, and own, standby or stray of each, next is what
-- to give as 2 for the next page, or '' where there is none.
local what, after, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local problems, attempts, last = {}, {}, ''

local function wrong(...) problems[#problems + 1] = string.format(...) end

local function node(id)
  local n = redis.call('HMGET', P .. ':node:' .. id, 'cap', 'f')
  if not n[1] then return wrong('node %s is listed and has no record', id) end
  local free = amounts(n[1])
  for _, attempt in ipairs(holds(id)) do
    local a = held(attempt)
    if not a then
      wrong('node %s lists attempt %s, which has no record', id, attempt)
    else
      add(free, a, -1)
      if a[2] ~= id then wrong('attempt %s is of node %s and listed at node %s', attempt, a[2], id) end
      local t = redis.call('HMGET', P .. ':task:' .. a[1], 'state', 'at', 'standby')
      local own, _, fencing = present(t[2])
      local standby, _, given = present(t[3])
      local kind = 'stray'
      if own == attempt then
        kind = 'own'
        if ended(t[1]) then wrong('attempt %s is held though task %s is %s', attempt, a[1], t[1]) end
      elseif standby == attempt then
        kind, fencing = 'standby', given
      else
        fencing = a[3]
      end
      if fencing ~= a[3] then wrong('attempt %s has token %s and by task %s %s', attempt, a[3], a[1], fencing) end
      for _, v in ipairs({attempt, a[1], a[3], kind}) do attempts[#attempts + 1] = v end
    end
  end
  if encode(free) ~= n[2] then
    wrong('node %s has %s free, its capacity less its reservations is %s', id, n[2], encode(free))
  end
end

local function lease(id)
  local a = held(id)
  if not a then return wrong('attempt %s has a lease and no record', id) end
  if redis.call('HEXISTS', P .. ':node:' .. a[2], 'a:' .. id) == 0 then
    wrong('attempt %s is held at node %s, which does not list it', id, a[2])
  end
  if tonumber(a[3]) > tonumber(redis.call('GET', P .. ':fencing') or '0') then
    wrong('attempt %s has token %s, which was never given', id, a[3])
  end
end

local function task(id)
  local t = redis.call('HMGET', P .. ':task:' .. id, 'state', 'at', 'standby')
  if not t[1] then return wrong('task %s is listed and has no record', id) end
  local own, standby = present(t[2]), present(t[3])
  if not ended(t[1]) and own and not held(own) then wrong('task %s is %s at attempt %s, which is not held', id, t[1], own) end
  if standby and not held(standby) then wrong('task %s has standby %s, which is not held', id, standby) end
  if not ended(t[1]) and not own and not redis.call('ZSCORE', P .. ':placing', id) then
    wrong('task %s is %s, has no place and does not wait for one', id, t[1])
  end
end

local function waiting(id)
  local t = redis.call('HMGET', P .. ':task:' .. id, 'state', 'at', 'q')
  if t[1] ~= 'placing' or t[2] then wrong('task %s waits in the queue and is %s', id, t[1] or 'not there') end
  if not t[3] or string.match(t[3], '^%S+') ~= what then wrong('task %s waits in the queue %s and does not know it', id, what) end
  if not redis.call('ZSCORE', P .. ':placing', id) then wrong('task %s waits in the queue for ever', id) end
end

local ids
if what == 'nodes' then
  ids = redis.call('ZRANGEBYLEX', P .. ':nodes', after == '-' and '-' or '(' .. after, '+', 'LIMIT', 0, limit)
else
  ids = redis.call('ZRANGE', P .. ':' .. what, after, after + limit - 1)
end
local check = ({nodes = node, leases = lease, tasks = task, queue = waiting, urgent = waiting})[what]
for _, id in ipairs(ids) do check(id) end
if #ids == limit then last = what == 'nodes' and ids[#ids] or string.format('%d', after + limit) end
return {problems, attempts, last, #ids}
