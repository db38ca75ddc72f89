import { type Check, failed, note, ok, warning } from './check.ts'
import type { Role } from './role.ts'
import { setting, unseen } from './server.ts'

/** Of one instance to the Redis of rooms: commands, subscriptions, WAIT; twice that while it restarts. */
const ROOM_FOR = 12
const MEBIBYTE = 1024 * 1024
/** One call's frame is at most 256 kB, and a busy process does not read for a second or two. */
const LEAST_OUTPUT = 8 * MEBIBYTE
/** Idle connections that are cut more often than this come and go all the time. */
const LEAST_TIMEOUT_S = 60

export const timeout: Check<Role> = {
  id: 'timeout',
  needs: ['cluster'],
  async run(role) {
    const value = await setting(role, 'timeout')
    if (value === undefined) return hidden('timeout', 'timeout 0')
    const seconds = Number(value)
    if (seconds === 0) return ok('idle connections are kept')
    const seen = `idle connections are cut after ${seconds} s`
    if (seconds >= LEAST_TIMEOUT_S) return note(`${seen}; ours are never idle for so long`)
    return warning(seen, 'CONFIG SET timeout 0, and in redis.conf')
  },
}

/** Who reads too slowly is cut off; a limit that is too low does that to healthy gateways. */
export const outputLimit: Check<Role> = {
  id: 'output-limit',
  needs: ['cluster'],
  async run(role) {
    if (role.name !== 'rooms') return []
    const name = 'client-output-buffer-limit'
    const value = await setting(role, name)
    const advice = `${name} pubsub 32mb 8mb 60`
    const [, hardText, softText, seconds] = /pubsub (\d+) (\d+) (\d+)/.exec(value ?? '') ?? []
    if (hardText === undefined) return hidden(name, advice)
    const [hard, soft] = [Number(hardText), Number(softText)]
    const seen = `pubsub ${megabytes(hard)} ${megabytes(soft)} ${seconds}`
    const remedy = `CONFIG SET client-output-buffer-limit "pubsub 33554432 8388608 60", and in redis.conf: ${advice}`
    if (hard === 0 && soft === 0) {
      return warning(`${seen}: a frozen gateway fills the memory of Redis`, remedy)
    }
    if ((hard > 0 && hard < LEAST_OUTPUT) || (soft > 0 && soft < LEAST_OUTPUT / 8)) {
      return warning(`${seen}: a gateway that is busy for a moment is cut off`, remedy)
    }
    return ok(seen)
  },
}

export const maxclients: Check<Role> = {
  id: 'maxclients',
  needs: ['cluster'],
  async run(role) {
    const { info } = role.learned
    const connected = info?.get('connected_clients')
    const most = info?.get('maxclients') ?? (await setting(role, 'maxclients'))
    if (connected === undefined || most === undefined) return unseen('maxclients')
    const left = Number(most) - Number(connected)
    const seen = `${connected} of ${most} connections are used`
    const remedy =
      'CONFIG SET maxclients higher, and in redis.conf; or find who holds connections: CLIENT LIST'
    if (left >= Math.max(ROOM_FOR, Number(most) / 10)) return ok(seen)
    if (left >= ROOM_FOR) return warning(`${seen}: little is left`, remedy)
    return left <= 1
      ? failed(`${seen}: a gateway needs three`, remedy)
      : warning(`${seen}: an instance needs up to three, twice that while it is replaced`, remedy)
  },
}

/** A user with the least rights may not see it, nor is it for managed servers to show. */
function hidden(name: string, wanted: string) {
  return note(`${name} is not shown (CONFIG GET is refused)`, `redis.conf should say: ${wanted}`)
}

function megabytes(bytes: number): string {
  return bytes === 0 ? '0' : `${(bytes / MEBIBYTE).toFixed(1)} MiB`
}
