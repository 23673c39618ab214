-- Counts an ended task in its node's experience. ARGV: 1 node, 2 type, 3 '1' where it failed, 4 speed, 5 transfer speed,
-- 6 GPU use, each a number or '' where it was not measured, 7 how many pairs of node and type are kept.
-- An entry is "runs failures speed transfer gpu", '-' where nothing was measured yet.
local WEIGHT, WINDOW = 0.2, 64
local name, all, when = ARGV[1] .. ' ' .. ARGV[2], P .. ':experience', P .. ':experienced'
local v = {}
for word in string.gmatch(redis.call('HGET', all, name) or '0 0 - - -', '%S+') do v[#v + 1] = word end
local runs, failures = v[1] + 1, v[2] + ARGV[3]
if runs >= WINDOW then runs, failures = runs / 2, math.floor(failures / 2) end -- what was long ago counts less
local text = {string.format('%d', runs), string.format('%d', failures)}
for k = 3, 5 do
  local new = tonumber(ARGV[k + 1])
  if new then
    local old = tonumber(v[k]) or new
    text[k] = string.format('%.4g', old + WEIGHT * (new - old))
  else
    text[k] = v[k]
  end
end
redis.call('HSET', all, name, table.concat(text, ' '))
redis.call('ZADD', when, clock(), name)
local over = redis.call('ZCARD', when) - ARGV[7]
if over > 0 then
  for _, old in ipairs(redis.call('ZRANGE', when, 0, math.min(over, 16) - 1)) do
    redis.call('HDEL', all, old)
    redis.call('ZREM', when, old)
  end
end
return 1
