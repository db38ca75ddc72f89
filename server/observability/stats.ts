import { readCache, readCacheLevels } from './cache-events.ts'
import type { SeenInstance } from './cluster.ts'
import type { Duplicates } from './duplicates.ts'
import type { Health } from './health.ts'
import type { Sample } from './history.ts'
import type { Metrics } from './metrics.ts'
import { quantileBetween, readByLabel, readDistribution, readTotal } from './readings.ts'
import type { RedisHealth } from './redis-events.ts'
import type { Storm } from './storms.ts'

/** What `GET /api/monitoring/stats` answers. Counts are since this instance started, unless said. */
export type Stats = Awaited<ReturnType<typeof readStats>>

export interface StatsSource {
  metrics: Metrics
  health: () => Health
  instances: () => readonly SeenInstance[]
  cacheHeld: () => { entries: number; bytes: number }
  /** Whether the directory of instances answers. */
  clusterKnown: () => boolean
  duplicates: Duplicates
  latest: () => Sample
  storm: () => Storm | undefined
}

export async function readStats(source: StatsSource) {
  const { metrics, health, instances, clusterKnown, latest } = source
  const { redis, connections, rooms, ...own } = health()
  const sends = await readByLabel(metrics.sends, 'outcome')
  const suppressed = sends.get('duplicate') ?? 0
  const known = suppressed + (sends.get('stored') ?? 0)
  const gaps = await readDistribution(metrics.reconnectionGap)
  const attempts = await readDistribution(metrics.reconnectionAttempts)
  const live = instances().filter(({ presence }) => presence === 'live')
  const sum = (read: (instance: SeenInstance) => number) =>
    live.reduce((total, instance) => total + read(instance), 0)
  const totals = await source.duplicates.totals()
  const second = latest()
  const cache = await readCache(metrics)
  const held = source.cacheHeld()
  return {
    cache: {
      ...cacheState(redis.cache),
      /** In the memory of this instance. */
      keys: held.entries,
      bytes: held.bytes,
      ...{ hits: cache.hits, misses: cache.misses, hitRate: cache.hitRate },
      byOutcome: Object.fromEntries(cache.outcomes),
      levelSeconds: await readCacheLevels(metrics),
    },
    /** `rate`: of the messages that were stored or known already, the share that was known. */
    duplicates: {
      suppressed,
      rate: known === 0 ? 0 : suppressed / known,
      byCause: Object.fromEntries(await readByLabel(metrics.duplicates, 'cause')),
      /** Over restarts of this instance; null while the store is away. */
      everByCause: totals?.own ?? null,
    },
    connections: {
      current: connections,
      byTransport: Object.fromEntries(await readByLabel(metrics.connections, 'transport')),
      opened: await readTotal(metrics.connectionsOpened),
      closed: Object.fromEntries(await readByLabel(metrics.disconnects, 'reason')),
      refused: await readTotal(metrics.connectsRefused),
    },
    reconnections: {
      total: await readTotal(metrics.reconnections),
      byCause: Object.fromEntries(await readByLabel(metrics.reconnections, 'cause')),
      byInstance: Object.fromEntries(await readByLabel(metrics.reconnections, 'instance')),
      /** What they came to within 10 s, and the transport they had by then. */
      outcomes: Object.fromEntries(await readByLabel(metrics.comebackOutcomes, 'outcome')),
      byTransport: Object.fromEntries(await readByLabel(metrics.comebackOutcomes, 'transport')),
      /** As far as clients tell. */
      attempts: {
        p50: quantileBetween(undefined, attempts, 0.5),
        p95: quantileBetween(undefined, attempts, 0.95),
      },
      /** The reconnect storm that is going on. */
      storm: source.storm() ?? null,
      /** Joins with a position, of reconnections or not. */
      resumes: Object.fromEntries(await readByLabel(metrics.resumes, 'outcome')),
      messagesReplayed: await readTotal(metrics.replayed),
      /** Seconds between a connection's end and the next one's beginning, where both were seen. */
      gapSeconds: {
        p50: quantileBetween(undefined, gaps, 0.5),
        p95: quantileBetween(undefined, gaps, 0.95),
        p99: quantileBetween(undefined, gaps, 0.99),
      },
    },
    rooms: {
      ...rooms,
      resets: await readTotal(metrics.resets),
      stored: sends.get('stored') ?? 0,
      delivered: await readTotal(metrics.deliveries),
    },
    redis: {
      rooms: { ...redis.rooms, probeMs: second['probeRooms'] ?? null },
      cache: { ...redis.cache, probeMs: second['probeCache'] ?? null },
    },
    instance: {
      ...own,
      memoryBytes: second['memoryBytes'] ?? 0,
      loopLagMs: second['loopP99'] ?? 0,
      sendMs: {
        p50: second['sendP50'] ?? null,
        p95: second['sendP95'] ?? null,
        p99: second['sendP99'] ?? null,
      },
    },
    /** The instances that were heard of lately; only this one while `known` is false. */
    cluster: {
      known: clusterKnown(),
      instances: live.length,
      connections: sum((instance) => instance.connections),
      storedPerSecond: sum(({ stored }) => stored),
      deliveredPerSecond: sum(({ delivered }) => delivered),
      /** Ever, over restarts; while the store is away those of the instances that are heard of. */
      duplicates:
        totals === undefined ? sum(({ duplicates }) => duplicates) : sumOf(totals.cluster),
      duplicatesByCause: totals?.cluster ?? null,
      cache: {
        hits: sum(({ cacheHits }) => cacheHits),
        misses: sum(({ cacheMisses }) => cacheMisses),
      },
    },
  }
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

/** Fixed words: dashboards compare them. */
export function cacheState({ state }: RedisHealth) {
  if (state === 'memory') return { status: 'memory', type: 'memory' } as const
  const status = state === 'ok' ? 'redis_connected' : 'redis_unavailable'
  return { status, type: 'redis' } as const
}
