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
  if redis.call('EXISTS', KEYS[i]) == 1 then occupied = true break end
end
if not occupied then return { -redis.call('DEL', KEYS[1]) } end
local told = redis.call('EXISTS', KEYS[1])
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return { 1 - told }`,
)

/** A flag for each occupied room beside its other keys; a set of rooms for each boot beside the leases. */
export function createRedisOccupancy(
  link: RedisLink,
  keyPrefix: string,
  boot: string,
): OccupancyStore {
  const notesOf = (of: string) => `${keyPrefix}:{presence}:rooms:${of}`
  return {
    async note(room, occupied) {
      const command = occupied ? 'SADD' : 'SREM'
      await link.command([command, notesOf(boot), room]).catch(rethrowWrite)
    },
    async take(dead) {
      const rooms = await link.command(['SMEMBERS', notesOf(dead)]).catch(rethrowWrite)
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
