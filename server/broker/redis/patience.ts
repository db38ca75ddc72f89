import { everyTick, TICK_MS } from '../../ticks.ts'
import { RedisFailure } from './failure.ts'

/**
 * Decides that a peer does not answer. Two things are not held against it: what it still has to answer
 * before (it is heard, so it works), and time in which this process could not listen, being busy or
 * stopped. A saturated instance that gives its Redis up for its own slowness takes itself out exactly
 * when it is needed: with plain timers, at 500,000 deliveries/s, three of four sends were refused.
 */
export interface Patience {
  /** The peer said something. */
  heard(): void
  /**
   * Settles as `work` does, or rejects with the failure `timeout`, its outcome unknown, when the peer
   * has been silent for `ms`.
   */
  expect<T>(ms: number, work: Promise<T>): Promise<T>
  stop(): void
}

interface Expectation {
  /** Where it is among the others; -1 when it is no longer. */
  place: number
  readonly since: number
  readonly ms: number
  reject(failure: RedisFailure): void
}

export function createPatience(): Patience {
  /** In no order. Not a Set: see keep-by-key.ts. */
  const expectations: Expectation[] = []
  /** Time in which we could not listen. */
  let deaf = 0
  let heardAt = 0

  const now = () => performance.now() - deaf

  const stop = everyTick((elapsedMs) => {
    // What came meanwhile is read in the turns that follow: time begins to count again after them.
    if (elapsedMs > 2 * TICK_MS) deaf += elapsedMs - TICK_MS
    for (const expectation of [...expectations]) {
      if (now() - Math.max(expectation.since, heardAt) < expectation.ms) continue
      forget(expectation)
      expectation.reject(new RedisFailure('timeout', { outcomeUnknown: true }))
    }
  })

  function forget(expectation: Expectation): void {
    const { place } = expectation
    const last = expectations.at(-1)
    if (place < 0 || last === undefined) return
    expectations[place] = last
    last.place = place
    expectations.pop()
    expectation.place = -1
  }

  return {
    heard() {
      heardAt = now()
    },
    expect(ms, work) {
      return new Promise((resolve, reject) => {
        const expectation = { place: expectations.length, since: now(), ms, reject }
        expectations.push(expectation)
        const settle = (end: () => void) => {
          forget(expectation)
          heardAt = now()
          end()
        }
        work.then(
          (value) => settle(() => resolve(value)),
          (error: unknown) => settle(() => reject(error)),
        )
      })
    },
    stop,
  }
}
