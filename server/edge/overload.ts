import { everyTick, TICK_MS } from '../ticks.ts'

/**
 * What an instance gives up when it cannot keep up, in this order; each level includes the ones
 * before. Redis and probes are never among it.
 * 1. volatile events: nobody misses them for long,
 * 2. memory for slow clients: they resume from the log,
 * 3. newcomers: they hardly move up in their queue, which refuses when it is full.
 */
export type OverloadLevel = 0 | 1 | 2 | 3

export interface Overload {
  readonly level: OverloadLevel
  /** Says whether a volatile event is to be dropped, and counts it if so. */
  shedsVolatile(): boolean
  stop(): void
}

export interface OverloadObserver {
  /** The level changed; `delayMs` is what a turn of the event loop takes. */
  overload(level: OverloadLevel, delayMs: number): void
  shedVolatile(): void
}

/** How long a turn takes, on average, when a level begins, ms. It ends at half of that. */
const LEVELS_MS = [150, 300, 600] as const
/** Averages over about this long: the one long turn of a crowd's arrival is not saturation. */
const MEMORY_MS = 1000
/** A process that was suspended is not overloaded. */
const LONGEST_MS = 2000

export function createOverload(observer: OverloadObserver): Overload {
  let level: OverloadLevel = 0
  let delayMs = 0

  const stop = everyTick((elapsedMs) => {
    const elapsed = Math.min(LONGEST_MS, elapsedMs)
    const late = Math.max(0, elapsed - TICK_MS)
    delayMs += (late - delayMs) * (1 - Math.exp(-elapsed / MEMORY_MS))
    const next = levelOf(delayMs, level)
    if (next === level) return
    level = next
    observer.overload(level, delayMs)
  })

  return {
    get level() {
      return level
    },
    shedsVolatile() {
      if (level < 1) return false
      observer.shedVolatile()
      return true
    },
    stop,
  }
}

function levelOf(delayMs: number, before: OverloadLevel): OverloadLevel {
  const above = LEVELS_MS.filter((threshold) => delayMs >= threshold).length
  const kept = LEVELS_MS.filter((threshold) => delayMs >= threshold / 2).length
  return Math.max(above, Math.min(kept, before)) as OverloadLevel
}
