-- Publishes a message to the broker that holds a node's link. ARGV: 1 node, 2 message.
-- Returns {broker, receivers}, or {''} where no broker has said that it holds the link.
local broker = redis.call('HGET', KEYS[1] .. ':links', ARGV[1])
if not broker then return {''} end
return {broker, redis.call('PUBLISH', KEYS[1] .. ':to:' .. broker, ARGV[2])}
