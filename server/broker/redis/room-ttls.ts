import type { Retention } from '../retention.ts'

/** Appends renew a room's TTLs once in each of so many parts of them. */
export const TTL_SPANS = 65

/**
 * The TTLs of a room's keys, whole ms: longer than asked for by one part, since a message may come when
 * the last renewal is that old. Meta outlives the log, which outlives the ids: a room never forgets its
 * epoch first.
 */
export function roomTtls(retention: Pick<Retention, 'logTtlMs' | 'dedupWindowMs'>) {
  const log = Math.ceil((retention.logTtlMs * TTL_SPANS) / (TTL_SPANS - 1))
  return { logTtl: String(log), metaTtl: String(log + retention.dedupWindowMs) }
}
