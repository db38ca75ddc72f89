import type { RedisServer } from '../tests/support/redis-server.ts'
import { startRedis } from '../tests/support/redis-server.ts'
import type { Scope } from '../tests/support/scope.ts'
import type { Contender, Instance } from './contenders/contender.ts'
import { setApart } from './load/apart.ts'
import { type Load, startLoad } from './load/load.ts'
import type { Target } from './load/wire.ts'
import { cpuMicros, machineMicros, processTree } from './process-usage.ts'
import type { Aof } from './scenario.ts'

/** Everything one turn needs, each part a process of its own. */
export interface Stage {
  readonly redis: RedisServer
  readonly instances: readonly Instance[]
  /** Where they listen. */
  readonly targets: readonly Target[]
  /** Two load processes, so that a flood of arrivals does not delay the sending. */
  readonly members: Load
  readonly senders: Load
  /** CPU used so far. */
  usage(): Usage
  /** Instances that ended by themselves, with their last words. */
  deaths(): string[]
  /** Why the load is not apart, though it was asked for. */
  readonly notes: readonly string[]
}

/** µs of CPU so far, and when this was read (ms). */
export interface Usage {
  at: number
  instances: readonly number[]
  redis: number
  load: number
  machine: number
}

/** What was used between two readings: cores for rates, µs for sums. */
export interface Used {
  seconds: number
  instanceMicros: readonly number[]
  gatewayMicros: number
  redisMicros: number
  loadCores: number
  /** Of everybody else on the machine: a disturbed turn shows here. */
  otherCores: number
}

export interface StageOptions {
  instances: number
  aof: Aof
  /** Where instances find Redis, when it is not Redis itself. */
  through?: { host: string; port: number }
  redis?: RedisServer
  /** The load reads when something arrives, whatever the servers do (apart.ts). */
  apart?: boolean
}

/** A dead process tells nothing any more: its last reading is this old at most. */
const REMEMBER_EVERY_MS = 250

export async function openStage(
  scope: Scope,
  contender: Contender,
  options: StageOptions,
): Promise<Stage> {
  const redis = options.redis ?? (await startBenchRedis(scope, options.aof))
  const instances: Instance[] = []
  for (let number = 1; number <= options.instances; number += 1) {
    const name = `bench-${number}`
    instances.push(await contender.start(scope, { redis: options.through ?? redis, name }))
  }
  const [members, senders] = await Promise.all([startLoad(scope), startLoad(scope)])
  const troubles = options.apart ? [members, senders].map(({ pid }) => setApart(pid)) : []
  const meters = instances.map(({ pid }) => createMeter(scope, pid))
  const redisMeter = createMeter(scope, redis.pid)
  const loadMeters = [members, senders].map(({ pid }) => createMeter(scope, pid))
  return {
    redis,
    instances,
    targets: instances.map(({ host, port }) => ({ host, port })),
    members,
    senders,
    usage: () => ({
      at: performance.now(),
      instances: meters.map((read) => read()),
      redis: redisMeter(),
      load: loadMeters.reduce((sum, read) => sum + read(), 0),
      machine: machineMicros() - ownMicros(),
    }),
    notes: [...new Set(troubles)].filter((trouble) => trouble !== undefined),
    deaths: () => instances.filter(({ running }) => !running).map(({ tail }) => tail()),
  }
}

export function startBenchRedis(scope: Scope, aof: Aof): Promise<RedisServer> {
  return startRedis(scope, { rights: 'all', appendonly: aof === 'no' ? false : aof })
}

export function usedBetween(before: Usage, after: Usage): Used {
  const seconds = (after.at - before.at) / 1000
  const instanceMicros = after.instances.map((used, index) => used - (before.instances[index] ?? 0))
  const gatewayMicros = instanceMicros.reduce((sum, used) => sum + used, 0)
  const redisMicros = after.redis - before.redis
  const loadMicros = after.load - before.load
  const rest = after.machine - before.machine - gatewayMicros - redisMicros - loadMicros
  return {
    seconds,
    instanceMicros,
    gatewayMicros,
    redisMicros,
    loadCores: loadMicros / seconds / 1e6,
    otherCores: Math.max(0, rest / seconds / 1e6),
  }
}

/** CPU of a process and its children so far, also after its end. */
function createMeter(scope: Scope, pid: number): () => number {
  let last = 0
  const read = () => {
    const sum = processTree(pid).reduce((total, each) => total + (cpuMicros(each) ?? 0), 0)
    last = Math.max(last, sum)
    return last
  }
  const timer = setInterval(read, REMEMBER_EVERY_MS)
  scope.defer(() => clearInterval(timer))
  read()
  return read
}

function ownMicros(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
