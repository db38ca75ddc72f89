import { type Cluster, createCluster, type SeenInstance } from './cluster.ts'
import type { InstanceDirectory, InstanceSummary } from './directory.ts'
import type { DuplicateStore } from './duplicate-store.ts'
import { createDuplicates } from './duplicates.ts'
import type { Feed, FeedEvent } from './feed.ts'
import type { Health } from './health.ts'
import type { Stretch } from './history.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import type { OperatorNotes } from './operator-notes.ts'
import { rarely } from './rarely.ts'
import { createSampler } from './sampler.ts'
import { readStats, type Stats } from './stats.ts'
import { createStormWatch } from './storms.ts'

/** What the operations page has already; `boot` says from which process. */
export interface Seen {
  boot: string
  /** Time of the last sample, revision of the last event. */
  since: number
  revision: number
}

/** What `GET /ops/data` answers. */
export interface OperationsData {
  instance: string
  boot: string
  now: number
  /** Everything there is, because the asker's is another process's. */
  whole: boolean
  history: Stretch
  events: FeedEvent[]
  revision: number
  cluster: { known: boolean; instances: SeenInstance[] }
  stats: Stats
}

/** What operators are shown of this instance and of the others. */
export interface Operations {
  stats(): Promise<Stats>
  data(seen: Seen): Promise<OperationsData>
  /** What became of a process of this cluster, as in `Cluster`. */
  fate(boot: string): ReturnType<Cluster['fate']>
  /** Begins to measure and to exchange summaries. */
  start(): void
  stop(): Promise<void>
}

export function createOperations(deps: {
  feed: Feed
  notes: OperatorNotes
  metrics: Metrics
  health: () => Health
  /** What the cache holds in memory. */
  cacheHeld: () => { entries: number; bytes: number }
  directory: InstanceDirectory
  duplicates: DuplicateStore
  logger?: Logger
}): Operations {
  const { feed, notes, metrics, health } = deps
  const storms = createStormWatch(notes, deps.logger)
  let cluster: Cluster | undefined
  const duplicates = createDuplicates({
    ...{ metrics, store: deps.duplicates, instance: feed.instance, boot: feed.boot },
  })

  const sampler = createSampler({
    metrics,
    health,
    instances: () => cluster?.instances() ?? [],
    second: (back, connections) => storms.second(back, connections),
    failed: rarely((unsaid, error: unknown) =>
      deps.logger?.warn({ err: error, unsaid }, 'the metrics cannot be read'),
    ),
  })
  const figure = (name: string) => sampler.history.latest[name] ?? 0

  function summary(): InstanceSummary {
    const { instance, version, status, uptimeSeconds, connections, rooms, redis } = health()
    const reconnections = Object.entries(sampler.history.latest)
      .filter(([name]) => name.startsWith('back_'))
      .reduce((sum, [, value]) => sum + (value ?? 0), 0)
    return {
      ...{ instance, boot: feed.boot, version, status, uptimeSeconds, connections },
      ...{ rooms: rooms.local, members: rooms.members },
      stored: Math.round(figure('stored')),
      delivered: Math.round(figure('delivered')),
      reconnections: Math.round(reconnections),
      duplicates: sampler.duplicates,
      ...{ cacheHits: sampler.cache.hits, cacheMisses: sampler.cache.misses },
      sendP99Ms: sampler.history.latest['sendP99'] ?? null,
      loopLagMs: figure('loopP99'),
      memoryBytes: figure('memoryBytes'),
      redis: { rooms: redis.rooms.state, cache: redis.cache.state },
      events: feed.recent(),
    }
  }

  const stats = () =>
    readStats({
      metrics,
      health,
      cacheHeld: deps.cacheHeld,
      duplicates,
      instances: () => cluster?.instances() ?? [],
      clusterKnown: () => cluster?.known ?? false,
      latest: () => sampler.history.latest,
      storm: storms.current,
    })

  return {
    stats,
    async data({ boot, since, revision }) {
      const whole = boot !== feed.boot
      const instances = cluster?.instances() ?? [] // first: it may have news for the feed
      return {
        ...{ instance: feed.instance, boot: feed.boot, now: Date.now(), whole },
        history: sampler.history.since(whole ? 0 : since),
        events: feed.since(whole ? 0 : revision),
        revision: feed.revision,
        cluster: { known: cluster?.known ?? false, instances },
        stats: await stats(),
      }
    },
    fate: (boot) => cluster?.fate(boot),
    start() {
      sampler.start()
      duplicates.start()
      cluster = createCluster({
        directory: deps.directory,
        own: summary,
        notes,
        heard: ({ events }) => feed.merge(events),
      })
    },
    async stop() {
      sampler.stop()
      await Promise.all([duplicates.stop(), cluster?.stop()])
    },
  }
}
