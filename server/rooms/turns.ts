/**
 * Spreads what comes in a crowd over turns of the event loop, so that everybody else (messages,
 * Redis' replies, probes) has a share of each. It adapts by itself: a piece of work that brings
 * further work with it makes the turns longer and the pieces per second fewer.
 */
export interface Turns {
  /** Counts the turns in which something was done: another number is another turn. */
  readonly number: number
  /** Whether one more piece may be done right here: nobody waits, and this turn has time left. */
  mayNow(): boolean
  /** Some work waits: asks for it, in the turns to come, until there is none. */
  wake(): void
}

/** Pieces of one turn at most, should they cost nothing. */
const MOST_PER_TURN = 64
/** Held work has a turn this often all the same. */
const HOLD_MS = 250

export function createTurns(deps: {
  /** Time that one turn has for this kind of work, ms; one piece is done in any case. */
  budgetMs: () => number
  /** Takes the next piece of what waits; undefined: nothing can be done, until the next `wake`. */
  next: () => (() => void) | undefined
  /** While this says so, there is work only in a turn now and then: something else goes first. */
  hold?: () => boolean
}): Turns {
  let number = 0
  /** Since when this turn has been working. */
  let since: number | undefined
  let workedAt = Number.NEGATIVE_INFINITY
  let awake = false
  /** A `wake` came after `next` had said that there is nothing. */
  let again = false

  const timeLeft = () => since !== undefined && performance.now() - since < deps.budgetMs()

  const held = () => deps.hold?.() === true && performance.now() - workedAt < HOLD_MS

  function begin(): void {
    since = performance.now()
    number += 1
  }

  /**
   * One callback for each piece: promises that a piece settles are followed up between two
   * callbacks, so that the time this takes counts before the next piece is begun.
   */
  function work(): void {
    if (held()) {
      setImmediate(work)
      return
    }
    let done = 0
    let idle = false
    again = false
    setImmediate(begin)
    for (let index = 0; index < MOST_PER_TURN; index += 1) setImmediate(piece)
    setImmediate(end)

    function piece(): void {
      if (idle || (done > 0 && !timeLeft())) return
      const run = deps.next()
      if (run === undefined) {
        idle = true
        return
      }
      done += 1
      run()
    }

    function end(): void {
      since = undefined
      if (done > 0) workedAt = performance.now()
      if (idle && !again) awake = false
      else work()
    }
  }

  return {
    get number() {
      return number
    },
    mayNow() {
      if (awake) return false
      if (since !== undefined) return timeLeft()
      if (held()) return false
      begin()
      workedAt = performance.now()
      setImmediate(() => {
        if (!awake) since = undefined
      })
      return true
    },
    wake() {
      again = true
      if (awake) return
      awake = true
      work()
    },
  }
}
