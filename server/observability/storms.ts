import type { OperatorNotes } from './operator-notes.ts'

/** Reconnections in the window that make a storm: this many, or this share of the connections. */
const LEAST = 20
const SHARE = 0.05
const WINDOW_S = 5

/** Tells operators of reconnect storms: once when one begins, once at its end. */
export function createStormWatch(notes: Pick<OperatorNotes, 'stormBegan' | 'stormEnded'>) {
  const window: { count: number; causes: ReadonlyMap<string, number> }[] = []
  let storm: { total: number; seconds: number; update: (total: number) => void } | undefined

  return {
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
          update: notes.stormBegan(mainCause(window.map((each) => each.causes))),
        }
        storm.update(storm.total)
        return
      }
      storm.total += count
      storm.seconds += 1
      storm.update(storm.total)
      if (inWindow >= threshold / 2) return
      notes.stormEnded(storm.total, storm.seconds)
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
