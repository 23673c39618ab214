-- Has one broker at a time do something. ARGV: 1 what, 2 broker, 3 for how long, ms; 0 gives it back.
-- Returns 1 where it is that broker's for so long now.
local key, ms = P .. ':duty:' .. ARGV[1], clock()
local owner, ends = string.match(redis.call('GET', key) or '', '^(%S+) (%S+)$')
if owner and owner ~= ARGV[2] and tonumber(ends) > ms then return 0 end
if ARGV[3] == '0' then
  if owner == ARGV[2] then redis.call('DEL', key) end
  return 0
end
redis.call('SET', key, ARGV[2] .. ' ' .. string.format('%d', ms + ARGV[3]))
return 1
