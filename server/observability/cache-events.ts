import type { Metrics } from './metrics.ts'
import { quantileBetween, readByLabel, readDistribution } from './readings.ts'

/** Answers that needed no computation by whom they were given to; the others are misses. */
const HITS = new Set(['memory', 'stale', 'redis', 'shared'])
const LEVELS = ['memory', 'redis', 'compute'] as const

/** What happens in the cache, as metrics; it is what the cache reports to. */
export function createCacheEvents(metrics: Metrics) {
  return {
    answered: (outcome: string): void => metrics.cacheAnswers.inc({ outcome }),
    took: (level: (typeof LEVELS)[number], ms: number): void =>
      metrics.cacheLevel.observe({ level }, ms / 1000),
  }
}

/** What the cache did since the start of this instance. */
export async function readCache(metrics: Metrics) {
  const outcomes = await readByLabel(metrics.cacheAnswers, 'outcome')
  const all = [...outcomes.values()].reduce((sum, count) => sum + count, 0)
  const hits = [...outcomes].reduce((sum, [name, count]) => sum + (HITS.has(name) ? count : 0), 0)
  return { hits, misses: all - hits, hitRate: all === 0 ? 0 : hits / all, outcomes }
}

/** Seconds each level took, the quantiles of all that it answered. */
export async function readCacheLevels(metrics: Metrics) {
  const levels: Record<string, { p50: number | null; p99: number | null }> = {}
  for (const level of LEVELS) {
    const took = await readDistribution(metrics.cacheLevel, { level })
    const quantile = (q: number) => quantileBetween(undefined, took, q)
    levels[level] = { p50: quantile(0.5), p99: quantile(0.99) }
  }
  return levels
}
