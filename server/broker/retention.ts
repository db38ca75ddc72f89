/** What `append` keeps and for how long; times in ms. */
export interface Retention {
  /** Entries per room; Redis keeps about so many, since it trims whole nodes of its stream. */
  logMax: number
  /** How long a room outlives its last use. */
  logTtlMs: number
  dedupWindowMs: number
  /** Absent or 0: messages that say the same are different messages. */
  contentWindowMs?: number
}
