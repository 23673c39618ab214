-- Forgets that a broker holds a node's link, unless another has taken it over. ARGV: 1 node, 2 broker.
if redis.call('HGET', KEYS[1] .. ':links', ARGV[1]) == ARGV[2] then
  return redis.call('HDEL', KEYS[1] .. ':links', ARGV[1])
end
return 0
