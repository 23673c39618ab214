-- Lists attempts without input, the longest idle first. ARGV: 1 for how long at least, ms, 2 limit.
-- Returns attempt, for how long, ms, and record of each.
local ms, answer = clock(), {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. ':idle', '-inf', ms - ARGV[1], 'LIMIT', 0, ARGV[2])) do
  local record = redis.call('GET', P .. ':attempt:' .. id)
  if record then
    answer[#answer + 1] = id
    answer[#answer + 1] = ms - redis.call('ZSCORE', P .. ':idle', id)
    answer[#answer + 1] = record
  end
end
return answer
