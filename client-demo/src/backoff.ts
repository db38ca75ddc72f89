const FIRST_MS = 250
const LONGEST_MS = 5_000

/**
 * How long to wait before attempt `failures + 1`: doubling, at most 5 s, and spread by half so that
 * clients which failed together do not come back together. Never below what the gateway asked for.
 */
export function retryDelay(failures: number, retryAfterMs = 0): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, 10))
  return Math.max(retryAfterMs, ceiling / 2) + Math.random() * (ceiling / 2)
}
