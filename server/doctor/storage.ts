import { type Check, failed, note, ok, warning } from './check.ts'
import type { Role } from './role.ts'
import { setting, unseen } from './server.ts'

const MEBIBYTE = 1024 * 1024
/** Of `maxmemory`: growth is noticed before sends are refused. */
const NEARLY_FULL = 0.8

/** Rooms must not be evicted; a cache that may not be, refuses writes when it is full. */
export const eviction: Check<Role> = {
  id: 'eviction',
  needs: ['cluster'],
  run({ name, learned: { info } }) {
    const policy = info?.get('maxmemory_policy')
    if (policy === undefined) return unseen('maxmemory-policy')
    if (name === 'rooms') {
      if (policy === 'noeviction') return ok(policy)
      return warning(
        `${policy}: messages, and the ids that keep repeats out, may be evicted; durability is best-effort`,
        'CONFIG SET maxmemory-policy noeviction, and in redis.conf; keep the cache in another Redis (REDIS_URL)',
      )
    }
    if (policy !== 'noeviction') return ok(policy)
    if (Number(info?.get('maxmemory') ?? 0) === 0) return note(`${policy}, without a limit`)
    const remedy = 'CONFIG SET maxmemory-policy allkeys-lru, and in redis.conf'
    return warning(`${policy}: a full cache takes nothing new`, remedy)
  },
}

/** What was acknowledged survives a restart of Redis only where it is on its disk. */
export const persistence: Check<Role> = {
  id: 'persistence',
  needs: ['cluster'],
  async run(role) {
    const { info } = role.learned
    const aof = info?.get('aof_enabled')
    if (aof === undefined) return unseen('persistence')
    const failing = ['aof_last_write_status', 'rdb_last_bgsave_status', 'aof_last_bgrewrite_status']
    const broken = failing.find((field) => info?.get(field) === 'err')
    if (broken !== undefined) {
      const remedy = 'look at the log of Redis, and at the space and the rights of its dir'
      return failed(`Redis cannot save its data (${broken}: err)`, remedy)
    }
    if (role.name === 'cache') return ok(aof === '1' ? 'on, which a cache does not need' : 'off')
    if (aof !== '1') {
      return warning(
        'no append-only file: a restart of Redis loses acknowledged messages',
        'CONFIG SET appendonly yes, and in redis.conf',
      )
    }
    const when = await setting(role, 'appendfsync')
    if (when !== 'no') return ok(`append-only file${when === undefined ? '' : `, fsync ${when}`}`)
    const remedy = 'CONFIG SET appendfsync everysec (or always), and in redis.conf'
    return warning('append-only file, but its fsync is left to the system', remedy)
  },
}

export const memory: Check<Role> = {
  id: 'memory',
  needs: ['cluster'],
  run({ name, learned: { info } }) {
    // Buffers of replicas and of the append-only file are not held against the limit.
    const aside = Number(info?.get('mem_not_counted_for_evict') ?? 0)
    const used = Number(info?.get('used_memory')) - aside
    const limit = Number(info?.get('maxmemory'))
    if (Number.isNaN(used) || Number.isNaN(limit)) return unseen('memory')
    if (limit === 0) {
      const remedy = `redis.conf: maxmemory; without it the kernel ends Redis when the machine is full`
      return note(`${mebibytes(used)} used, no limit`, remedy)
    }
    const seen = `${mebibytes(used)} of ${mebibytes(limit)} used`
    // A cache is meant to be full.
    if (name === 'cache' || used < limit * NEARLY_FULL) return ok(seen)
    const remedy =
      'CONFIG SET maxmemory higher, and in redis.conf; or keep less: ROOM_LOG_MAX, ROOM_LOG_TTL, DEDUP_WINDOW'
    return used >= limit
      ? failed(`${seen}: messages are refused`, remedy)
      : warning(`${seen}: when it is full, messages are refused`, remedy)
  },
}

function mebibytes(bytes: number): string {
  return `${(bytes / MEBIBYTE).toFixed(1)} MiB`
}
