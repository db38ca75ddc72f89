import {
  type InstanceDirectory,
  type InstanceSummary,
  KEEP_MS,
  type Sighting,
} from '../../observability/directory.ts'
import type { RedisLink } from './link.ts'
import { NOW } from './now.ts'
import { callScript } from './script-call.ts'
import { script } from './scripts.ts'

/** Far more than there ever are; whoever restarts in a loop fills no more than this (D8). */
const MAX_INSTANCES = 256

/**
 * KEYS directory. ARGV own field, own summary, keep (ms), most. Writes `<at> <summary>`, drops what is
 * too old, returns { age, summary, … } of all that is left, one's own first. Times are Redis's.
 *
 * Nothing here is an error: a link that sees one gives up its role, and rooms must not go down because
 * a user may not look into the directory. What cannot be done shows in an empty reply.
 */
const EXCHANGE = script(
  'exchange',
  `
${NOW}
local keep, most = tonumber(ARGV[3]), tonumber(ARGV[4])
local all = redis.pcall('HGETALL', KEYS[1])
if all.err then return {} end
local reply, count = { '0', ARGV[2] }, 1
for i = 1, #all, 2 do
  local at, summary = string.match(all[i + 1], '^(%d+) (.*)$')
  local age = at and now - tonumber(at)
  if all[i] ~= ARGV[1] then
    if age and age <= keep and count < most then
      count = count + 1
      reply[#reply + 1] = string.format('%.0f', math.max(0, age))
      reply[#reply + 1] = summary
    else
      redis.pcall('HDEL', KEYS[1], all[i])
    end
  end
end
local wrote = redis.pcall('HSET', KEYS[1], ARGV[1], string.format('%.0f', now) .. ' ' .. ARGV[2])
if type(wrote) == 'table' then return {} end
redis.pcall('PEXPIRE', KEYS[1], ARGV[3])
return reply`,
)

/** The directory of the instances that share a Redis and a key prefix: one hash, one script. */
export function createRedisDirectory(link: RedisLink, keyPrefix: string): InstanceDirectory {
  const key = `${keyPrefix}:{instances}`
  return {
    async exchange(own) {
      const args = [own.boot, JSON.stringify(own), String(KEEP_MS), String(MAX_INSTANCES)]
      const reply = await callScript((command) => link.command(command), EXCHANGE, [key], args)
      if (reply.length === 0) throw new Error('the directory of instances cannot be used')
      const sightings: Sighting[] = []
      for (let index = 0; index + 1 < reply.length; index += 2) {
        const summary = parse(String(reply[index + 1]))
        if (summary !== undefined) sightings.push({ summary, ageMs: Number(reply[index]) })
      }
      return sightings
    },
  }
}

/** Another version's summary may lack what this one knows; what is no summary at all is left out. */
function parse(text: string): InstanceSummary | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    const summary: InstanceSummary = { ...ABSENT, ...(value as InstanceSummary) }
    const { instance, boot, status, events, redis } = summary
    const named = [instance, boot, status].every((word) => typeof word === 'string')
    return named && Array.isArray(events) && redis instanceof Object ? summary : undefined
  } catch {
    return undefined // somebody else's writing
  }
}

const ABSENT = {
  ...{ version: '', uptimeSeconds: 0, connections: 0, rooms: 0, members: 0 },
  ...{ stored: 0, delivered: 0, reconnections: 0, duplicates: 0, cacheHits: 0, cacheMisses: 0 },
  ...{ sendP99Ms: null, loopLagMs: 0, memoryBytes: 0, events: [] },
  redis: { rooms: 'starting', cache: 'starting' },
} as const
