import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type FailureKind, RedisFailure } from '../broker/redis/failure.ts'
import { type Inspection, openInspection } from '../broker/redis/inspection.ts'
import { createCacheProbe, createRoomsProbe } from '../broker/redis/probes.ts'
import { type Check, type Finding, failed, ok, warning } from './check.ts'
import { inspected, type Role } from './role.ts'
import { refusal } from './server.ts'

const ROUNDS = 50
const TOTAL_MS = 2000
const ARRIVAL_MS = 1000
/** Another region: every send and every join waits for that. */
const SLOW_MS = 25

const REMEDIES: Partial<Record<FailureKind, string>> = {
  readonly: 'write to the primary, or REPLICAOF NO ONE',
  oom: 'CONFIG SET maxmemory higher, and in redis.conf; or keep less: ROOM_LOG_MAX, ROOM_LOG_TTL',
  misconf:
    'look at the log of Redis: its disk is full or not writable (stop-writes-on-bgsave-error)',
  replicas: 'start replicas, or CONFIG SET min-replicas-to-write 0',
  noperm: 'give the user what `roomwire acl` prints',
  cluster: 'look at CLUSTER INFO: cluster_state must be ok',
}

/** What the gateway does to begin: its scripts run on a room of their own, or the cache is used. */
export const write: Check<Role> = {
  id: 'write',
  needs: ['database', 'primary', 'rights', 'prefix'],
  async run(role) {
    const prefix = role.config.redisKeyPrefix
    const rooms = role.name === 'rooms'
    const probe = rooms
      ? createRoomsProbe(prefix, role.learned.tag)
      : createCacheProbe(prefix, role.learned.tag)
    try {
      await probe.run(inspected(role).command, randomUUID(), true)
      // Redis enforces maxmemory in a script up to its first write, which is another one in a new room.
      await probe.run(inspected(role).command, randomUUID(), false)
      return ok(rooms ? 'a message is stored, read and published' : 'a value is stored and read')
    } catch (error) {
      const { kind, message } = refusal(error)
      return failed(message, REMEDIES[kind] ?? 'look at the log of Redis')
    }
  },
}

/** What is published comes back, and how fast. */
export const roundTrip: Check<Role> = {
  id: 'round-trip',
  needs: ['write'],
  async run(role) {
    if (role.name !== 'rooms') return commandLatency(role)
    let subscriber: Inspection
    try {
      subscriber = await openInspection(role.target)
    } catch (error) {
      return failed(refusal(error).message, 'look at the log of Redis')
    }
    try {
      return await measure(role, subscriber)
    } catch (error) {
      return failed(refusal(error).message, 'look at the log of Redis')
    } finally {
      subscriber.close()
    }
  },
}

async function measure(role: Role, subscriber: Inspection): Promise<Finding> {
  const { tag = `%doctor-${randomUUID()}` } = role.learned
  const channel = `${role.config.redisKeyPrefix}:{${tag}}:${randomUUID()}`
  const sharded = role.target.cluster !== undefined
  let arrived: (nonce: string) => void = () => undefined
  await subscriber.subscribe(
    channel,
    (message) => arrived(message.toString()),
    sharded ? 'sharded' : 'plain',
  )
  const times: number[] = []
  const began = performance.now()
  while (times.length < ROUNDS && performance.now() - began < TOTAL_MS) {
    const nonce = randomUUID()
    const arrival = new Promise<true>((resolve) => {
      arrived = (heard) => heard === nonce && resolve(true)
    })
    const sent = performance.now()
    await inspected(role).command([sharded ? 'SPUBLISH' : 'PUBLISH', channel, nonce])
    if (!(await Promise.race([arrival, sleep(ARRIVAL_MS, false, { ref: false })]))) {
      return failed(
        'what is published does not arrive at a subscriber',
        `do all connections to ${role.prefix}_URL reach the same server? A proxy or balancer before Redis must pass publish and subscribe to one`,
      )
    }
    times.push(performance.now() - sent)
  }
  return judge(times, 'publish to arrival')
}

async function commandLatency(role: Role): Promise<Finding> {
  const times: number[] = []
  const key = `${role.config.redisKeyPrefix}:{${role.learned.tag ?? 'probe'}}:doctor`
  const began = performance.now()
  while (times.length < ROUNDS && performance.now() - began < TOTAL_MS) {
    const sent = performance.now()
    const reply = await inspected(role).command(['GET', key]).catch(refusal)
    if (reply instanceof RedisFailure) return failed(reply.message, 'look at the log of Redis')
    times.push(performance.now() - sent)
  }
  return judge(times, 'a read')
}

function judge(times: number[], what: string): Finding {
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.ceil(times.length * share) - 1] ?? 0
  const seen = `${what}: p50 ${at(0.5).toFixed(1)} ms, p99 ${at(0.99).toFixed(1)} ms (${times.length})`
  if (at(0.5) < SLOW_MS) return ok(seen)
  const remedy =
    'move gateway and Redis into one region and network; look for slow commands: SLOWLOG GET'
  return warning(seen, remedy)
}

/** Messages carry the time of Redis; pages and log-ins go by that of the gateway's machine. */
const TOLERATED_MS = 2000

export const clock: Check<Role> = {
  id: 'clock',
  needs: ['cluster'],
  async run(role) {
    const before = role.now()
    const reply = await inspected(role).command(['TIME']).catch(refusal)
    const middle = (before + role.now()) / 2
    if (reply instanceof RedisFailure) return failed(reply.message, 'ACL SETUSER … +time')
    const [seconds, micros] = (reply as unknown[]).map(Number)
    const ahead = middle - ((seconds ?? 0) * 1000 + (micros ?? 0) / 1000)
    const seen = `this machine is ${Math.abs(ahead / 1000).toFixed(1)} s ${ahead < 0 ? 'behind' : 'ahead of'} Redis`
    if (Math.abs(ahead) < TOLERATED_MS) return ok('agrees with Redis')
    return warning(seen, 'keep both in step with NTP (timedatectl, chronyc tracking)')
  },
}
