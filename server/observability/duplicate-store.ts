/** Why a message was not stored: who sent it again, how; `content`: it said what another one says. */
export const DUPLICATE_CAUSES = ['retry', 'cross_instance', 'idempotency_key', 'content'] as const
export type DuplicateCause = (typeof DUPLICATE_CAUSES)[number]
export type DuplicateCounts = Readonly<Record<DuplicateCause, number>>

/** Since the store began to count, over restarts. */
export interface DuplicateTotals {
  /** Of the instance of this name. */
  own: DuplicateCounts
  /** Of all instances there ever were. */
  cluster: DuplicateCounts
}

/**
 * Where instances add up the duplicates that they suppressed. `broker/memory-duplicates.ts` and
 * `broker/redis/duplicates.ts` implement it.
 */
export interface DuplicateStore {
  /**
   * Adds, and returns what there is then, in one atomic step. The same (boot, sequence) again adds
   * nothing: whoever does not know whether a call was carried out repeats it. Sequences of a boot
   * ascend from 1. Rejects while the store is away.
   */
  add(
    by: { instance: string; boot: string; sequence: number },
    counts: DuplicateCounts,
  ): Promise<DuplicateTotals>
}

export function noDuplicates(): Record<DuplicateCause, number> {
  return { retry: 0, cross_instance: 0, idempotency_key: 0, content: 0 }
}
