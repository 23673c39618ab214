-- Keeps the view state of a session. ARGV: 1 task, 2 attempt, 3 revision, 4 view state.
-- Returns 0 where the attempt is not the task's present one. An older revision than the one that is kept changes nothing.
local t = redis.call('HMGET', P .. ':task:' .. ARGV[1], 'state', 'at')
if not t[1] or ended(t[1]) or present(t[2]) ~= ARGV[2] then return 0 end
local key = P .. ':view:' .. ARGV[1]
local attempt, revision = string.match(redis.call('GETRANGE', key, 0, 99), '^(%S+) (%S+) ')
if attempt ~= ARGV[2] or tonumber(revision) < tonumber(ARGV[3]) then
  redis.call('SET', key, ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
end
return 1
