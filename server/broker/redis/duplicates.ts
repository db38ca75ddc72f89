import {
  DUPLICATE_CAUSES,
  type DuplicateCounts,
  type DuplicateStore,
} from '../../observability/duplicate-store.ts'
import type { RedisLink } from './link.ts'
import { callScript } from './script-call.ts'
import { script } from './scripts.ts'

/** Instances that have a line of their own; those heard of longest ago are counted together (D8). */
const MAX_INSTANCES = 256

/**
 * KEYS a hash, by instance `<at> <boot> <sequence> <count> …`. ARGV instance, boot, sequence, most
 * instances, a count for each cause. Returns the counts of the instance, then those of all.
 *
 * Nothing here is an error, as in the directory (directory.ts): an empty reply says that it cannot be done.
 */
const ADD = script(
  'add-duplicates',
  `
local key, own, boot, sequence = KEYS[1], 'i:' .. ARGV[1], ARGV[2], tonumber(ARGV[3])
local causes = #ARGV - 4
local time = redis.call('TIME')
local function int(n) return string.format('%.0f', n) end
local function parse(line)
  local words = {}
  for word in string.gmatch(line or '', '%S+') do words[#words + 1] = word end
  local counts = {}
  for i = 1, causes do counts[i] = tonumber(words[i + 3]) or 0 end
  return counts, words[2], tonumber(words[3]) or 0, tonumber(words[1]) or 0
end
local function line(counts, by, last)
  local words = { time[1], by, int(last) }
  for i = 1, causes do words[i + 3] = int(counts[i]) end
  return table.concat(words, ' ')
end
local all = redis.pcall('HGETALL', key)
if all.err then return {} end
local lines, count = {}, 0
for i = 1, #all, 2 do lines[all[i]] = all[i + 1] count = count + 1 end

local counts, by, last = parse(lines[own])
local adds = false
for i = 1, causes do adds = adds or tonumber(ARGV[i + 4]) > 0 end
if adds and (by ~= boot or sequence > last) then
  for i = 1, causes do counts[i] = counts[i] + tonumber(ARGV[i + 4]) end
  if not lines[own] then count = count + 1 end
  lines[own] = line(counts, boot, sequence)
  if type(redis.pcall('HSET', key, own, lines[own])) == 'table' then return {} end
end
while count > tonumber(ARGV[4]) do
  local oldest, when
  for name, text in pairs(lines) do
    local _, _, _, at = parse(text)
    if name ~= own and name ~= 'past' and (not when or at < when) then oldest, when = name, at end
  end
  if not oldest then break end
  local past, theirs = parse(lines['past']), parse(lines[oldest])
  for i = 1, causes do past[i] = past[i] + theirs[i] end
  if not lines['past'] then count = count + 1 end
  lines['past'], lines[oldest], count = line(past, '-', 0), nil, count - 1
  redis.pcall('HSET', key, 'past', lines['past'])
  redis.pcall('HDEL', key, oldest)
end
local reply = {}
for i = 1, causes do reply[i] = int(counts[i]) reply[causes + i] = 0 end
for _, text in pairs(lines) do
  local theirs = parse(text)
  for i = 1, causes do reply[causes + i] = reply[causes + i] + theirs[i] end
end
for i = causes + 1, 2 * causes do reply[i] = int(reply[i]) end
return reply`,
)

/** Adds up in one hash, which stays when all instances are gone. */
export function createRedisDuplicates(link: RedisLink, keyPrefix: string): DuplicateStore {
  const key = `${keyPrefix}:{duplicates}`
  return {
    async add({ instance, boot, sequence }, counts) {
      const numbers = DUPLICATE_CAUSES.map((cause) => String(counts[cause]))
      // Lines are words.
      const args = [
        instance,
        encodeURIComponent(boot),
        String(sequence),
        String(MAX_INSTANCES),
        ...numbers,
      ]
      const reply = await callScript((command) => link.command(command), ADD, [key], args)
      if (reply.length === 0) throw new Error('duplicates cannot be added up')
      const countsOf = (values: readonly unknown[]) =>
        Object.fromEntries(
          DUPLICATE_CAUSES.map((cause, index) => [cause, Number(values[index])]),
        ) as DuplicateCounts
      const causes = DUPLICATE_CAUSES.length
      return { own: countsOf(reply), cluster: countsOf(reply.slice(causes)) }
    },
  }
}
