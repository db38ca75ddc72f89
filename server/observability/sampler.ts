import { readCache } from './cache-events.ts'
import type { SeenInstance } from './cluster.ts'
import type { Health } from './health.ts'
import { createHistory, type History, type Sample } from './history.ts'
import type { Metrics } from './metrics.ts'
import {
  meanBetween,
  quantileBetween,
  readByLabel,
  readDistribution,
  readTotal,
} from './readings.ts'

/** Why connections came back, one line of a chart each; what is not here counts as `other`. */
const CAUSES = ['transport_close', 'ping_timeout', 'drain', 'slow_client', 'unknown'] as const

/** What is kept of every second; `…All` is the sum over the instances that are seen. */
const FIGURES = [
  ...(['connections', 'connectionsAll'] as const),
  ...(['stored', 'storedAll', 'delivered', 'deliveredAll'] as const),
  ...(['sendP50', 'sendP95', 'sendP99'] as const),
  ...CAUSES.map((cause) => `back_${cause}` as const),
  ...(['back_other', 'resumed', 'reset', 'duplicates'] as const),
  ...(['redisRooms', 'redisCache', 'probeRooms', 'probeCache'] as const),
  ...(['cacheMemory', 'cacheRedis', 'cacheShared', 'cacheComputed'] as const),
  ...(['loopMean', 'loopP99', 'loopMax', 'memoryBytes'] as const),
] as const

const SAMPLE_MS = 1000
/** A quarter of an hour: 31 figures of 8 bytes each, 225 kB in all. */
const SAMPLES = 900

export interface Sampler {
  readonly history: History
  /** Repeats that were suppressed since the start. */
  readonly duplicates: number
  /** Of the cache, since the start. */
  readonly cache: { hits: number; misses: number }
  start(): void
  stop(): void
}

/** Reads the metrics once a second: rates are per second, times in ms. */
export function createSampler(deps: {
  metrics: Metrics
  health: () => Health
  instances: () => readonly SeenInstance[]
  /** Told of each second's reconnections by cause. */
  second: (back: ReadonlyMap<string, number>, connections: number) => void
  failed: (error: unknown) => void
  now?: () => number
}): Sampler {
  const { metrics } = deps
  const now = deps.now ?? Date.now
  const history = createHistory(FIGURES, SAMPLES)
  let before: Awaited<ReturnType<typeof read>> | undefined

  async function read() {
    const memory = metrics.registry.getSingleMetric('roomwire_process_resident_memory_bytes')
    const sends = await readByLabel(metrics.sends, 'outcome')
    const resumes = await readByLabel(metrics.resumes, 'outcome')
    return {
      at: performance.now(),
      stored: sends.get('stored') ?? 0,
      duplicates: sends.get('duplicate') ?? 0,
      delivered: await readTotal(metrics.deliveries),
      resumed: resumes.get('recovered') ?? 0,
      reset: resumes.get('reset') ?? 0,
      back: await readByLabel(metrics.reconnections, 'cause'),
      send: await readDistribution(metrics.sendDuration),
      cache: await readCache(metrics),
      probes: {
        rooms: await readDistribution(metrics.redisProbe, { role: 'rooms' }),
        cache: await readDistribution(metrics.redisProbe, { role: 'cache' }),
      },
      memoryBytes: memory === undefined ? 0 : await readTotal(memory),
    }
  }

  async function sample(): Promise<void> {
    const after = await read()
    const last = before
    before = after
    if (last === undefined) return
    const seconds = Math.max(0.001, (after.at - last.at) / 1000)
    const rate = (name: 'stored' | 'duplicates' | 'delivered' | 'resumed' | 'reset') =>
      (after[name] - last[name]) / seconds
    const { connections, redis } = deps.health()
    const others = deps.instances().slice(1)
    const unknown = others.some(({ presence }) => presence === 'unknown')
    const live = others.filter(({ presence }) => presence === 'live')
    const all = (name: 'connections' | 'stored' | 'delivered', own: number) =>
      unknown ? null : live.reduce((sum, other) => sum + other[name], own)
    const back = new Map<string, number>()
    for (const [cause, count] of after.back) {
      const seen = cause === 'instance_died' ? 'unknown' : cause // one line: ends that nobody saw
      const label = CAUSES.find((each) => each === seen) ?? 'other'
      back.set(label, (back.get(label) ?? 0) + count - (last.back.get(cause) ?? 0))
    }
    const send = (q: number) => inMs(quantileBetween(last.send, after.send, q))
    const probe = (role: 'rooms' | 'cache') =>
      inMs(meanBetween(last.probes[role], after.probes[role]))
    const loop = metrics.loopDelay.read()
    const figures: Record<(typeof FIGURES)[number], number | null> = {
      connections,
      connectionsAll: all('connections', connections),
      stored: rate('stored'),
      storedAll: all('stored', rate('stored')),
      delivered: rate('delivered'),
      deliveredAll: all('delivered', rate('delivered')),
      ...{ sendP50: send(0.5), sendP95: send(0.95), sendP99: send(0.99) },
      back_transport_close: (back.get('transport_close') ?? 0) / seconds,
      back_ping_timeout: (back.get('ping_timeout') ?? 0) / seconds,
      back_drain: (back.get('drain') ?? 0) / seconds,
      back_slow_client: (back.get('slow_client') ?? 0) / seconds,
      back_unknown: (back.get('unknown') ?? 0) / seconds,
      back_other: (back.get('other') ?? 0) / seconds,
      ...{ resumed: rate('resumed'), reset: rate('reset'), duplicates: rate('duplicates') },
      ...{ redisRooms: upOrDown(redis.rooms.state), redisCache: upOrDown(redis.cache.state) },
      ...{ probeRooms: probe('rooms'), probeCache: probe('cache') },
      ...cacheRates(last.cache.outcomes, after.cache.outcomes, seconds),
      ...{ loopMean: loop.mean, loopP99: loop.p99, loopMax: loop.max },
      memoryBytes: after.memoryBytes,
    }
    history.add(now(), figures satisfies Sample)
    deps.second(back, connections)
  }

  let sampling = false
  let timer: NodeJS.Timeout | undefined
  function sampleOnce(): void {
    if (sampling) return
    sampling = true
    sample()
      .catch(deps.failed)
      .finally(() => {
        sampling = false
      })
  }

  return {
    history,
    get duplicates() {
      return before?.duplicates ?? 0
    },
    get cache() {
      return before?.cache ?? { hits: 0, misses: 0 }
    },
    start() {
      metrics.loopDelay.start()
      sampleOnce() // what the first sample is compared with
      timer = setInterval(sampleOnce, SAMPLE_MS)
      timer.unref()
    },
    stop() {
      clearInterval(timer)
      metrics.loopDelay.stop()
    },
  }
}

/** Answers per second by where they came from, as the page draws them. */
function cacheRates(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  seconds: number,
) {
  const rate = (...outcomes: readonly string[]) =>
    outcomes.reduce((sum, each) => sum + (after.get(each) ?? 0) - (before.get(each) ?? 0), 0) /
    seconds
  return {
    cacheMemory: rate('memory', 'stale'),
    cacheRedis: rate('redis'),
    cacheShared: rate('shared'),
    cacheComputed: rate('computed', 'failed'),
  }
}

function inMs(seconds: number | null): number | null {
  return seconds === null ? null : seconds * 1000
}

function upOrDown(state: Health['redis']['rooms']['state']): number | null {
  return state === 'memory' ? null : state === 'ok' ? 1 : 0
}
