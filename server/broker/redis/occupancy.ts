import type { OccupancyStore } from '../../rooms/occupancy.ts'
import { roomKeys } from './keys.ts'
import type { RedisLink } from './link.ts'
import { callScript } from './script-call.ts'
import { script } from './scripts.ts'
import { rethrowWrite } from './store-errors.ts'

/** A room that was told to be occupied is forgotten after this long without a change, ms. */
const TTL = '2592000000'

/** KEYS occupied, here of each boot. ARGV TTL (ms). Returns { change }: 1 occupied, -1 vacated, or 0. */
const checkScript = script(
  'occupancy',
  `
local occupied = false
for i = 2, #KEYS do
  if redis.call('HLEN', KEYS[i]) > 0 then occupied = true break end
end
if not occupied then return { -redis.call('DEL', KEYS[1]) } end
local told = redis.call('GET', KEYS[1]) and 1 or 0
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return { 1 - told }`,
)

/** A flag for each occupied room beside its other keys; a hash of rooms for each boot beside the leases. */
export function createRedisOccupancy(
  link: RedisLink,
  keyPrefix: string,
  boot: string,
): OccupancyStore {
  const notesOf = (of: string) => `${keyPrefix}:{presence}:rooms:${of}`
  return {
    async note(room, occupied) {
      const command = occupied ? ['HSET', notesOf(boot), room, ''] : ['HDEL', notesOf(boot), room]
      await link.command(command).catch(rethrowWrite)
    },
    async take(dead) {
      const rooms = await link.command(['HKEYS', notesOf(dead)]).catch(rethrowWrite)
      await link.command(['DEL', notesOf(dead)]).catch(rethrowWrite)
      return (rooms as unknown[]).map(String)
    },
    async check(room, boots) {
      const keys = roomKeys(keyPrefix, room)
      const names = [keys.occupied, ...boots.map(keys.here)]
      const [change] = await callScript(link.command, checkScript, names, [TTL]).catch(rethrowWrite)
      return Number(change) === 0 ? undefined : Number(change) > 0 ? 'occupied' : 'vacated'
    },
  }
}
