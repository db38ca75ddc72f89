import type { Metrics } from './metrics.ts'

/** What a reconnection came to: the worst of the joins with a position that followed it. */
type Outcome = 'none' | 'resumed' | 'replayed' | 'reset'

const RANKS: Readonly<Record<Outcome, number>> = { none: 0, resumed: 1, replayed: 2, reset: 3 }
/** Rooms are joined again at once; what comes later is a visit to another room. */
const SETTLED_MS = 10_000

/** A connection as it is now: the object itself tells one from another. */
export interface Comeback {
  readonly transport: string
}

/** Follows those who came back until it is seen what it came to. */
export interface Comebacks {
  /** A join with a position: what it was answered with. */
  resumed(connection: object, recovered: boolean, messages: number): void
  /** It turned out to be a reconnection. */
  returned(connection: object, comeback: Comeback): void
  /** It has ended. */
  ended(connection: object): void
}

export function createComebacks({ comebackOutcomes }: Metrics): Comebacks {
  /** Only of connections that have resumed something: most never do. */
  const outcomes = new WeakMap<object, Outcome>()
  const following = new Map<object, { comeback: Comeback; timer: NodeJS.Timeout }>()

  function settle(connection: object): void {
    const followed = following.get(connection)
    if (followed === undefined) return
    clearTimeout(followed.timer)
    following.delete(connection)
    const outcome = outcomes.get(connection) ?? 'none'
    comebackOutcomes.inc({ outcome, transport: followed.comeback.transport })
  }

  return {
    resumed(connection, recovered, messages) {
      const outcome = !recovered ? 'reset' : messages > 0 ? 'replayed' : 'resumed'
      const before = outcomes.get(connection) ?? 'none'
      if (RANKS[outcome] > RANKS[before]) outcomes.set(connection, outcome)
    },
    returned(connection, comeback) {
      const timer = setTimeout(settle, SETTLED_MS, connection)
      timer.unref()
      following.set(connection, { comeback, timer })
    },
    ended: settle,
  }
}
