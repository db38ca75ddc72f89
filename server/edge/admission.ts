import { createTurns } from '../rooms/turns.ts'

/** Somebody who asks to be let in. One of the two is called, once, unless it leaves before. */
export interface Newcomer {
  admit(): void
  /** There may be room after `retryAfterMs`. */
  refuse(reason: Refusal, retryAfterMs: number): void
}

/**
 * Why somebody is refused: as many connections as there may be; too many who wait; or it waited for
 * too long, so that it is about to give up by itself.
 */
export type Refusal = 'connections' | 'queue' | 'wait'

/**
 * Lets newcomers in at the rate that the event loop can bear: those who arrive together over several
 * turns, each with a time of its own for them, the rest after messages, Redis' replies and probes.
 * Who has to wait does so in a queue with a limit, in order.
 */
export interface Admission {
  /** Admits at once while nobody waits. Returns what takes the newcomer out of the queue. */
  enter(newcomer: Newcomer): () => void
  readonly waiting: number
}

export interface AdmissionOptions {
  /** Time that one turn of the event loop has for newcomers, ms; one is admitted in any case. */
  budgetMs: () => number
  /** Those who may wait; more are refused at once. */
  maxWaiting: number
  maxWaitMs: number
  /** More are arriving, who are to be told from probes first: newcomers wait a little. */
  hold?: () => boolean
  /** As many connections as there may be are there. */
  full: () => boolean
  now?: () => number
}

/** Between these a refused newcomer is told to come back; half as much again at random. */
const RETRY_MIN_MS = 1000
const RETRY_MAX_MS = 20_000
const RATE_WINDOW_MS = 1000

export function createAdmission(options: AdmissionOptions): Admission {
  const { budgetMs, maxWaiting, maxWaitMs, full } = options
  const now = options.now ?? (() => performance.now())
  /** In order of arrival. */
  const queue = new Set<{ newcomer: Newcomer; since: number }>()
  const turns = createTurns({ budgetMs, next, ...(options.hold && { hold: options.hold }) })
  const rate = createRate(now)

  /** When those who wait now will have been admitted, about; spread, so that no new crowd forms. */
  function retryAfterMs(): number {
    const ms = (queue.size / Math.max(1, rate.perSecond())) * 1000
    const bounded = Math.min(RETRY_MAX_MS, Math.max(RETRY_MIN_MS, ms))
    return Math.round(bounded * (1 + Math.random() / 2))
  }

  function admit(newcomer: Newcomer): void {
    if (full()) {
      newcomer.refuse('connections', retryAfterMs())
      return
    }
    rate.count()
    newcomer.admit()
  }

  function next(): (() => void) | undefined {
    for (const waiting of queue) {
      queue.delete(waiting)
      const { newcomer, since } = waiting
      if (now() - since <= maxWaitMs) return () => admit(newcomer)
      return () => newcomer.refuse('wait', retryAfterMs())
    }
    return undefined
  }

  return {
    enter(newcomer) {
      if (turns.mayNow()) admit(newcomer)
      else if (queue.size >= maxWaiting) newcomer.refuse('queue', retryAfterMs())
      else {
        const waiting = { newcomer, since: now() }
        queue.add(waiting)
        turns.wake()
        return () => queue.delete(waiting)
      }
      return () => undefined
    },
    get waiting() {
      return queue.size
    },
  }
}

/** Admissions per second, of the last whole window and the one that runs. */
function createRate(now: () => number) {
  let before = 0
  let count = 0
  let since = now()

  function roll(): void {
    const elapsed = now() - since
    if (elapsed < RATE_WINDOW_MS) return
    before = (count / elapsed) * 1000
    count = 0
    since += elapsed
  }

  return {
    count() {
      roll()
      count += 1
    },
    perSecond() {
      roll()
      return Math.max(before, count)
    },
  }
}
