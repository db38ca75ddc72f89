/**
 * Decides how long room messages wait for others that go to the same connections. A write costs about
 * the same whatever it carries, and is most of what a delivery costs: an instance that would be busy
 * writing messages one by one writes them together instead, a little later.
 */
export interface Pace {
  /** How long the next flush has to wait from now, ms; 0 while writing one by one is no burden. */
  holdMs(): number
  /**
   * A flush took place.
   *
   * @param begin and `end`: ms of the clock
   * @param writes connections written to
   * @param deliveries what these writes carried, counted per connection
   */
  flushed(begin: number, end: number, writes: number, deliveries: number): void
}

/** The longest that a message waits for others. */
const MAX_HOLD_MS = 40
/**
 * Shares of the process's time that writing one by one would take: nothing waits below the first. A write
 * of many messages is dearer than one of one, so that what waits looks busier than what does not: closer
 * together, or higher, they leave a load between the two that now waits and now does not.
 */
const AT_EASE = 0.5
const BUSY = 0.8
/** Weight of the past: about the last ten flushes count, or this long without one for each of them. */
const MEMORY = 0.9
const PAUSE_MS = 20

export function createPace(now: () => number = () => performance.now()): Pace {
  /** ms a write takes. */
  let cost = 0
  /** Share of time that one write per delivery would take. */
  let demand = 0
  let lastEnd = 0

  return {
    holdMs() {
      const share = Math.min(1, Math.max(0, (demand - AT_EASE) / (BUSY - AT_EASE)))
      const dueMs = lastEnd + share * MAX_HOLD_MS - now()
      return Math.max(0, dueMs)
    },
    flushed(begin, end, writes, deliveries) {
      if (writes === 0) return
      cost = MEMORY * cost + (1 - MEMORY) * ((end - begin) / writes)
      // Since the last flush's end: the time in which these deliveries were asked for.
      const elapsed = Math.max(end - lastEnd, 0.01)
      // A pause counts by its length: what was before it is soon forgotten.
      const past = MEMORY ** Math.max(1, elapsed / PAUSE_MS)
      demand = past * demand + (1 - past) * ((deliveries * cost) / elapsed)
      lastEnd = end
    },
  }
}
