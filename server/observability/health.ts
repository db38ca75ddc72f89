import type { Metrics } from './metrics.ts'
import type { RedisHealth } from './redis-events.ts'

export interface Health {
  status: 'ok' | 'degraded' | 'starting' | 'draining'
  instance: string
  version: string
  uptimeSeconds: number
  ready: boolean
  durability: 'durable' | 'best-effort' | 'memory'
  /** Whether the Redis of the rooms has an append-only file; absent where that is unknown, and in memory. */
  appendOnly?: boolean
  redis: { rooms: RedisHealth; cache: RedisHealth }
  connections: number
  rooms: { local: number; members: number; behind: number }
}

/** What the probes answer from. */
export interface HealthSource {
  instance: string
  version: string
  durability: () => Health['durability']
  appendOnly: () => boolean | undefined
  redis: () => Health['redis']
  connections: () => number
  rooms: () => Health['rooms']
  /** Every Redis role has worked once. */
  started: () => boolean
  draining: () => boolean
  /** Readiness falls with the rooms' Redis instead of staying up degraded. */
  readyFollowsRedis: boolean
}

export function readHealth(source: HealthSource): Health {
  const redis = source.redis()
  const down = redis.rooms.state === 'down' || redis.cache.state === 'down'
  const roomsWork = redis.rooms.state === 'ok' || redis.rooms.state === 'memory'
  const starting = !source.started()
  const appendOnly = source.appendOnly()
  return {
    status: source.draining() ? 'draining' : starting ? 'starting' : down ? 'degraded' : 'ok',
    instance: source.instance,
    version: source.version,
    uptimeSeconds: Math.round(performance.now() / 1000),
    ready: !source.draining() && !starting && (roomsWork || !source.readyFollowsRedis),
    durability: source.durability(),
    ...(appendOnly !== undefined && { appendOnly }),
    redis,
    connections: source.connections(),
    rooms: source.rooms(),
  }
}

const STATUSES: readonly Health['status'][] = ['ok', 'degraded', 'starting', 'draining']
const LEVELS: readonly Health['durability'][] = ['durable', 'best-effort', 'memory']

/** The summary as metrics. */
export function recordHealth(metrics: Metrics, health: Health): void {
  for (const status of STATUSES) {
    metrics.healthStatus.set({ status }, status === health.status ? 1 : 0)
  }
  for (const level of LEVELS) {
    metrics.durability.set({ level }, level === health.durability ? 1 : 0)
  }
}
