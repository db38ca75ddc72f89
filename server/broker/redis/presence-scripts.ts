import { NOW } from './now.ts'
import { script } from './scripts.ts'

/**
 *   leases    hash   boot: `<renewed at> <ends at> <instance>`, by Redis's clock; one for a deployment
 *   here      hash   user id: `<since>[ <name>]`; one for each room and boot, beside the room's other keys
 *
 * Nothing here is an error: a link that sees one gives up its role, and rooms must not go down because
 * presence cannot be written. What cannot be done shows in the reply.
 */

/**
 * KEYS leases. ARGV boot, instance, renew (ms, '' only looks). Drops the leases that ended.
 * Returns { '', held, ended boots, boot, age, remaining, instance, … } or { error }.
 */
export const LEASES = `
${NOW}
local function int(n) return string.format('%.0f', n) end
local all = redis.pcall('HGETALL', KEYS[1])
if all.err then return { all.err } end
local held, ended, reply = '0', {}, { '', '0', '' }
for i = 1, #all, 2 do
  local at, ends, name = string.match(all[i + 1], '^(%d+) (%d+) (.*)$')
  local holds = ends and tonumber(ends) > now
  if all[i] == ARGV[1] then
    if holds then reply[2] = '1' end
  elseif holds then
    reply[#reply + 1] = all[i]
    reply[#reply + 1] = int(math.max(0, now - tonumber(at)))
    reply[#reply + 1] = int(tonumber(ends) - now)
    reply[#reply + 1] = name
  else
    redis.pcall('HDEL', KEYS[1], all[i])
    ended[#ended + 1] = all[i]
  end
end
reply[3] = table.concat(ended, ' ')
if ARGV[3] ~= '' then
  local value = int(now) .. ' ' .. int(now + tonumber(ARGV[3])) .. ' ' .. ARGV[2]
  local wrote = redis.pcall('HSET', KEYS[1], ARGV[1], value)
  if type(wrote) == 'table' then return { wrote.err } end
  redis.pcall('PEXPIRE', KEYS[1], 86400000)
end
return reply`

/**
 * KEYS here. ARGV channel, TTL (ms), whole, frame, how many are gone, their ids, id, value, …
 * Returns '' or an error.
 */
const WRITE_HERE = `
if ARGV[3] == '1' then redis.call('UNLINK', KEYS[1]) end
local rest = 6 + tonumber(ARGV[5])
for i = 6, rest - 1 do
  local gone = redis.pcall('HDEL', KEYS[1], ARGV[i])
  if type(gone) == 'table' then return gone.err end
end
for i = rest, #ARGV, 2 do
  local wrote = redis.pcall('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  if type(wrote) == 'table' then return wrote.err end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.pcall('PUBLISH', ARGV[1], ARGV[4])
return ''`
const WRITE_HERE_SHARDED = WRITE_HERE.replace("'PUBLISH'", "'SPUBLISH'")

/** @param sharded channels are a cluster's */
export function writeHere(sharded: boolean): string {
  return sharded ? WRITE_HERE_SHARDED : WRITE_HERE
}

/**
 * KEYS here, of each boot. ARGV most, some, count exactly up to. Returns { whole, count, { id, value, … }, … }.
 */
export const readHereScript = script(
  'here',
  `
local sizes, total = {}, 0
for i, key in ipairs(KEYS) do
  local size = redis.pcall('HLEN', key)
  sizes[i] = type(size) == 'number' and size or 0
  total = total + sizes[i]
end
local whole = total <= tonumber(ARGV[1])
local reply = { whole and '1' or '0', total }
if not whole and total <= tonumber(ARGV[3]) then
  local seen, count = {}, 0
  for i, key in ipairs(KEYS) do
    for _, id in ipairs(sizes[i] > 0 and redis.call('HKEYS', key) or {}) do
      if not seen[id] then seen[id], count = true, count + 1 end
    end
  end
  reply[2] = count
end
local some = tonumber(ARGV[2])
for i, key in ipairs(KEYS) do
  local users = {}
  if sizes[i] > 0 then
    if whole then users = redis.call('HGETALL', key)
    elseif some > 0 then
      users = redis.call('HSCAN', key, '0', 'COUNT', some)[2]
      some = some - #users / 2
    end
  end
  reply[#reply + 1] = users
end
return reply`,
)
