-- within says whether a creator's tasks hold no more than a quota where one more is placed. mine is the set of the creator's tasks
-- that were placed, quota and needs are five numbers each, a quota of 0 is no bound. What they hold is read from their
-- reservations, which others may have resized or moved; tasks that hold nothing any more are no bound either.
local function within(mine, quota, needs)
  local P, call = KEYS[1], redis.call
  local sum = {}
  for v in string.gmatch(needs, '%S+') do sum[#sum + 1] = tonumber(v) end
  for _, task in ipairs(call('SMEMBERS', mine)) do
    local t = call('HMGET', P .. ':task:' .. task, 'state', 'at')
    if not t[1] or t[1] == 'finished' or t[1] == 'failed' or t[1] == 'expired' then
      call('SREM', mine, task)
    elseif t[2] then
      local held = call('GET', P .. ':attempt:' .. string.match(t[2], '^%S+'))
      local k = -4 -- five values come before the amounts
      for v in string.gmatch(held or '', '%S+') do
        if k > 0 and k <= 5 then sum[k] = sum[k] + v end
        k = k + 1
      end
    end
  end
  local k = 1
  for v in string.gmatch(quota, '%S+') do
    if tonumber(v) > 0 and sum[k] > tonumber(v) then return false end
    k = k + 1
  end
  return true
end
