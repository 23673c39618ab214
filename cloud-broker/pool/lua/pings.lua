-- Remembers round trips that a zone's terminals measured. ARGV: 1 zone, 2 how many zones, 3 how many nodes each,
-- 4... node and round trip, ms, by turns.
-- An entry moves a quarter of the way to a new value, which counts as at most twice and at least half of what is known: a
-- terminal on a bad link, or one that lies, moves it little.
local zone, zones = ARGV[1], P .. ':zones'
local key, ms = P .. ':pings:' .. zone, clock()
for i = 4, #ARGV, 2 do
  local new = tonumber(ARGV[i + 1])
  local known = redis.call('HGET', key, ARGV[i])
  if known then
    known = tonumber(string.match(known, '^%S+'))
    new = known + 0.25 * (math.min(math.max(new, known / 2 - 0.5), 2 * known + 1) - known)
  end
  redis.call('HSET', key, ARGV[i], string.format('%.3f %d', new, ms))
end
while redis.call('HLEN', key) > tonumber(ARGV[3]) do
  local oldest, when = nil, math.huge
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local at = tonumber(string.match(all[i + 1], '%S+$'))
    if at < when or at == when and all[i] < oldest then oldest, when = all[i], at end
  end
  redis.call('HDEL', key, oldest)
end
redis.call('ZADD', zones, ms, zone)
while redis.call('ZCARD', zones) > tonumber(ARGV[2]) do
  local oldest = redis.call('ZRANGE', zones, 0, 0)[1]
  redis.call('DEL', P .. ':pings:' .. oldest)
  redis.call('ZREM', zones, oldest)
end
return 1
