-- Keeps a node in the pool and renews the leases of its reservations.
-- ARGV: 1 node, 2 state, 3 load, 4 lease ms, 5 volumes that it holds, with spaces, 6... attempts of its ledger, each with
-- for how long it has had no input, ms, behind it where that is long.
-- Returns {'ok'}, {'unknown'} where the node must register, or {'attempts', ...} with those that are not held.
-- What was confirmed and is not in the ledger is gone there. One heartbeat that lacks it may have been on its way when the
-- edge confirmed; a second one so much later, ms, was not.
local LATER = 4000
local id = ARGV[1]
local node = P .. ':node:' .. id
local before = redis.call('HMGET', node, 'state', 'volumes', 'op')
local was = before[1]
if not was or was == 'lost' then return {'unknown'} end
local ms, new = clock(), state(ARGV[2], before[3])
redis.call('ZADD', P .. ':beats', ms, id)
redis.call('HSET', node, 'state', new, 'said', ARGV[2], 'load', ARGV[3])
if (before[2] or '') ~= ARGV[5] then
  redis.call('HSET', node, 'volumes', ARGV[5])
  note(id, ARGV[5])
elseif was ~= new then
  note(id)
end
local answer, named, lacking = {'ok'}, {}, redis.call('EXISTS', P .. ':omitted') == 1
for i = 6, #ARGV do
  local attempt, idle = string.match(ARGV[i], '^(%S+) ?(%S*)$')
  local a = held(attempt)
  named[attempt] = true
  if a and a[2] == id then
    if lacking then redis.call('ZREM', P .. ':omitted', attempt) end
    confirm(attempt, a, ms + ARGV[4])
    if idle ~= '' then
      redis.call('ZADD', P .. ':idle', ms - idle, attempt)
    else
      redis.call('ZREM', P .. ':idle', attempt)
    end
  else
    answer[1] = 'attempts'
    answer[#answer + 1] = attempt
  end
end
for _, attempt in ipairs(holds(id)) do
  local a = not named[attempt] and held(attempt)
  if a and a[4] == '1' then
    local since = redis.call('ZSCORE', P .. ':omitted', attempt)
    if not since then
      redis.call('ZADD', P .. ':omitted', ms, attempt)
    elseif ms - since >= LATER then
      redis.call('ZADD', P .. ':leases', ms - 1, attempt) -- the next sweep ends it
    end
  end
end
return answer
