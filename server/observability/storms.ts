import type { Logger } from './logger.ts'
import type { OperatorNotes } from './operator-notes.ts'

/** Reconnections in the window that make a storm: this many, or this share of the connections. */
const LEAST = 20
const SHARE = 0.05
const WINDOW_S = 5

/** Reconnections since a storm began, and for how long it has been going on. */
export interface Storm {
  total: number
  seconds: number
  byCause: Record<string, number>
}

/** Tells operators of reconnect storms: once when one begins, once at its end. */
export function createStormWatch(
  notes: Pick<OperatorNotes, 'stormBegan' | 'stormEnded'>,
  logger?: Logger,
) {
  const window: { count: number; causes: ReadonlyMap<string, number> }[] = []
  let storm: (Storm & { update: (total: number) => void }) | undefined

  function add(byCause: Record<string, number>, causes: ReadonlyMap<string, number>): void {
    for (const [cause, count] of causes) {
      if (count > 0) byCause[cause] = (byCause[cause] ?? 0) + count
    }
  }

  return {
    /** The storm that is going on. */
    current(): Storm | undefined {
      if (storm === undefined) return undefined
      const { update: _, ...figures } = storm
      return figures
    },
    /** To be called once a second with what came back in it, by why it had gone. */
    second(causes: ReadonlyMap<string, number>, connections: number): void {
      const count = sum(causes.values())
      window.push({ count, causes })
      if (window.length > WINDOW_S) window.shift()
      const inWindow = sum(window.map((each) => each.count))
      const threshold = Math.max(LEAST, SHARE * connections)
      if (storm === undefined) {
        if (inWindow < threshold) return
        storm = {
          total: inWindow,
          seconds: window.length,
          byCause: {},
          update: notes.stormBegan(mainCause(window.map((each) => each.causes))),
        }
        for (const each of window) add(storm.byCause, each.causes)
        storm.update(storm.total)
        const { total, seconds, byCause } = storm
        logger?.info({ total, seconds, byCause, connections }, 'reconnect storm')
        return
      }
      storm.total += count
      add(storm.byCause, causes)
      storm.seconds += 1
      storm.update(storm.total)
      if (inWindow >= threshold / 2) return
      notes.stormEnded(storm.total, storm.seconds)
      const { total, seconds, byCause } = storm
      logger?.info({ total, seconds, byCause, connections }, 'reconnect storm over')
      storm = undefined
      window.length = 0
    },
  }
}

function mainCause(seconds: readonly ReadonlyMap<string, number>[]): string {
  const all = new Map<string, number>()
  for (const causes of seconds) {
    for (const [cause, count] of causes) all.set(cause, (all.get(cause) ?? 0) + count)
  }
  return [...all].sort(([, a], [, b]) => b - a)[0]?.[0] ?? 'unknown'
}

function sum(numbers: Iterable<number>): number {
  let total = 0
  for (const number of numbers) total += number
  return total
}
