import { RedisFailure } from '../broker/redis/failure.ts'
import { type Check, type Finding, failed, note, ok, warning } from './check.ts'
import { inspected, type Role } from './role.ts'

/** HELLO and ACLs (6.0); rules for channels (`&…`) and XADD NOMKSTREAM (6.2). */
const LEAST_VERSION = [6, 2] as const

/** What the server tells of itself. Managed ones may refuse: then much stays unseen, and works. */
export const info: Check<Role> = {
  id: 'info',
  needs: ['auth'],
  async run(role) {
    const failure = await readInfo(role)
    if (failure === undefined) return ok(`${role.learned.info?.size} fields`)
    if (failure.outcomeUnknown) return failed(failure.message, 'look at the log of Redis')
    return note('INFO is refused, so less can be seen', 'allow it for this check: +info')
  },
}

/** Anew, where another server is examined from now on. */
export async function readInfo(role: Role): Promise<RedisFailure | undefined> {
  const text = await inspected(role).command(['INFO']).catch(refusal)
  if (text instanceof RedisFailure) return text
  const fields = [...String(text).matchAll(/^(\w+):([^\r\n]*)/gm)]
  role.learned.info = new Map(fields.map(([, name = '', value = '']) => [name, value]))
  return undefined
}

/** It lets people in before it answers them. */
export const loading: Check<Role> = {
  id: 'loading',
  needs: ['info'],
  async run(role) {
    // Not PING, which the least user may not: Redis looks at rights first.
    const key = `${role.config.redisKeyPrefix}:{%doctor}`
    const reply = await inspected(role).command(['GET', key]).catch(refusal)
    if (!(reply instanceof RedisFailure) || reply.kind !== 'loading') return ok('no')
    const share = role.learned.info?.get('loading_loaded_perc')
    const remedy = 'wait, and look at INFO persistence: loading_loaded_perc, loading_eta_seconds'
    return failed(`Redis is loading its data${share ? ` (${share} %)` : ''}`, remedy)
  },
}

export const topology: Check<Role> = {
  id: 'topology',
  needs: ['loading'],
  run({ learned, prefix, target }) {
    const mode = learned.info?.get('redis_mode')
    if (mode === undefined) return unseen('the mode')
    if (mode === 'sentinel') {
      const remedy = `name it in ${prefix}_SENTINEL_HOSTS, and its master in ${prefix}_URL (redis://mymaster)`
      return failed('this is a Sentinel, which holds no data', remedy)
    }
    if (mode !== 'cluster' && target.cluster !== undefined) {
      return failed('this is no Redis Cluster', `unset ${prefix}_CLUSTER`)
    }
    if (mode === 'cluster' && target.cluster === undefined) {
      return failed(
        'this is one node of a Redis Cluster, which refuses the keys of the others',
        `set ${prefix}_CLUSTER=true`,
      )
    }
    return ok(mode)
  },
}

export const database: Check<Role> = {
  id: 'database',
  needs: ['cluster'],
  async run(role) {
    const { database } = role.target
    if (database === 0) return ok('0')
    const reply = await inspected(role)
      .command(['SELECT', String(database)])
      .catch(refusal)
    if (!(reply instanceof RedisFailure)) return ok(String(database))
    if (reply.kind === 'noperm') {
      return failed(`${reply.message} (SELECT)`, 'ACL SETUSER … +select, or use database 0')
    }
    const remedy = `end ${role.prefix}_URL with a database that exists, or with none (redis.conf: databases)`
    return failed(`Redis has no database ${database}`, remedy)
  },
}

export const version: Check<Role> = {
  id: 'version',
  needs: ['cluster'],
  run({ learned }) {
    const found = learned.info?.get('redis_version')
    if (found === undefined) return unseen('the version')
    const valkey = learned.info?.get('valkey_version')
    const name = valkey === undefined ? `Redis ${found}` : `Valkey ${valkey}`
    const [major = 0, minor = 0] = found.split('.').map(Number)
    const [leastMajor, leastMinor] = LEAST_VERSION
    if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return ok(name)
    return failed(
      `${name}: Roomwire needs 6.2, for log-in by HELLO and for rights on channels`,
      'upgrade Redis to 6.2 or later (7.x is what the tests run on), or use Valkey',
    )
  },
}

/** A replica refuses writes. */
export const primary: Check<Role> = {
  id: 'primary',
  needs: ['cluster'],
  run({ learned, prefix }) {
    const { info } = learned
    const role = info?.get('role')
    if (role === undefined) return unseen('whether it is a primary')
    if (role === 'master') return ok('this is a primary')
    const primary = `${info?.get('master_host')}:${info?.get('master_port')}`
    return failed(
      'this is a replica, which takes no writes',
      `${prefix}_URL must name the primary (${primary}), or make this one a primary: REPLICAOF NO ONE`,
    )
  },
}

/** That an acknowledgement which waits for replicas can ever be given (D1). */
export const replicas: Check<Role> = {
  id: 'replicas',
  needs: ['primary'],
  run({ name, learned, config }) {
    const wanted = config.roomAckReplicas
    if (name !== 'rooms' || wanted === 0) return []
    const connected = learned.info?.get('connected_slaves')
    if (connected === undefined) return unseen('the number of replicas')
    const seen = `${connected} connected, ROOM_ACK_REPLICAS is ${wanted}`
    if (Number(connected) > wanted) return ok(seen)
    if (Number(connected) === wanted) {
      const remedy = 'one more replica, or ROOM_ACK_REPLICAS lower by one'
      return warning(`${seen}: when one is away, no message is acknowledged`, remedy)
    }
    const remedy = 'lower ROOM_ACK_REPLICAS, or start replicas (redis.conf: replicaof)'
    return failed(`${seen}: no message can be acknowledged`, remedy)
  },
}

export function unseen(what: string): Finding {
  return note(`${what} is not shown (INFO)`)
}

/** One directive; undefined where CONFIG GET is refused, as managed servers and least rights do. */
export async function setting(role: Role, name: string): Promise<string | undefined> {
  const reply = await inspected(role).command(['CONFIG', 'GET', name]).catch(refusal)
  if (reply instanceof RedisFailure) return undefined
  const value = (reply as Record<string, unknown>)[name] // a map in RESP3
  return value === undefined ? undefined : String(value)
}

export function refusal(error: unknown): RedisFailure {
  return error instanceof RedisFailure ? error : new RedisFailure('other')
}
