-- Keeps what a broker has under way of something, in place of what it told before. ARGV: 1 what, 2 broker, 3 under way, '' for
-- nothing, 4 for how long it counts, ms, 5 how many reports are kept, 6... reports, in the order of their ends.
-- Returns 1.
local now, list, ms = P .. ':told:' .. ARGV[1], P .. ':reports:' .. ARGV[1], clock()
local all = redis.call('HGETALL', now)
for i = 1, #all, 2 do
  if tonumber(string.match(all[i + 1], '^%d+')) <= ms then redis.call('HDEL', now, all[i]) end
end
if ARGV[3] == '' then
  redis.call('HDEL', now, ARGV[2])
else
  redis.call('HSET', now, ARGV[2], string.format('%d ', ms + ARGV[4]) .. ARGV[3])
end
for i = 6, #ARGV do redis.call('LPUSH', list, ARGV[i]) end
if #ARGV > 5 then redis.call('LTRIM', list, 0, ARGV[5] - 1) end
return 1
