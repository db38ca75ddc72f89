/** What timers can wait. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1
const FIRST_MS = 500
const LONGEST_MS = 5_000

/**
 * Ms to wait after this many failures in a row: doubling from 500, at most 5 s, and spread over half
 * of it so that clients which failed together do not come back together. Never less than what the
 * gateway asked for.
 */
export function retryDelay(failures: number, retryAfterMs = 0): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, 10))
  return Math.max(retryAfterMs, ceiling / 2) + (Math.random() * ceiling) / 2
}
