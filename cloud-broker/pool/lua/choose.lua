-- choose takes n1 MiB and n2 thousandths from the one of several GPUs that they leave the least of: of its time, and
-- where that is equal of its memory. gpus has two numbers for each. It returns the GPU's index from 0, as text, and what is
-- free of all then, or nil where none has room.
local function choose(gpus, n1, n2)
  local free, best, time, memory = {}, nil, 0, 0
  for m, u in string.gmatch(gpus, '(%S+) (%S+)') do
    local k = #free
    free[k + 1], free[k + 2] = m, u
    m, u = m - n1, u - n2
    if m >= 0 and u >= 0 and (not best or u < time or u == time and m < memory) then
      best, time, memory = k / 2, u, m
    end
  end
  if not best then return nil end
  free[2 * best + 1], free[2 * best + 2] = string.format('%d', memory), string.format('%d', time)
  return string.format('%d', best), table.concat(free, ' ')
end
