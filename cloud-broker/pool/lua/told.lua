-- Reads what brokers have under way of something, and what has ended. ARGV: 1 what.
-- Returns an array of brokers and what each has under way, in turns, and one of the reports, the last one first.
local ms, told = clock(), {}
local all = redis.call('HGETALL', P .. ':told:' .. ARGV[1])
for i = 1, #all, 2 do
  local ends, text = string.match(all[i + 1], '^(%d+) (.*)$')
  if tonumber(ends) > ms then
    told[#told + 1] = all[i]
    told[#told + 1] = text
  end
end
return {told, redis.call('LRANGE', P .. ':reports:' .. ARGV[1], 0, -1)}
