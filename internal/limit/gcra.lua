-- Takes the cost of each key from its bucket, or nothing from any if one of them holds less.
-- KEYS: one for each limit. ARGV: for each key the interval between two units, the burst, and the cost.
-- Time is counted in eighths of a microsecond since 2026, in whole numbers, which a double holds exactly until 2061.
-- Gives the number of the key that has to wait the longest (0: all were taken), what is left of it, and how long it has to wait.
local t = redis.call('TIME')
local now = (t[1] - 1767225600) * 8000000 + t[2] * 8
local later, refused, left, wait = {}, 0, 0, 0
for i, key in ipairs(KEYS) do
	local interval, burst, cost = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
	local depth = interval * burst
	local at = math.min(math.max(tonumber(redis.call('GET', key)) or now, now), now + depth)
	later[i] = at + interval * cost
	local over = later[i] - now - depth
	if over > wait then
		refused, left, wait = i, math.floor((depth - (at - now)) / interval), over
	end
end
if refused == 0 then
	for i, key in ipairs(KEYS) do
		redis.call('SET', key, string.format('%.0f', later[i]), 'PX', math.ceil((later[i] - now) / 8000) + 1)
	end
end
return {refused, left, wait}
