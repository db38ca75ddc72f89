/** Lua that sets `time`, as Redis gives it, and `now`, ms since 1970 by Redis' clock. */
export const NOW = `local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)`
