/**
 * The port to the cache that all instances share; `broker/redis/cache-store.ts` implements it. What it
 * holds may vanish at any time. Every method rejects while the store is away, at once where that is
 * known; the caller then does without it.
 *
 * For each key there is at most one claim: the right to compute its value. A claim lapses when it is
 * not renewed, and `remove` ends it, so that what was computed before is not stored after it.
 */
export interface CacheStore {
  /**
   * The value, as of the store's clock; unless that is fresh, also an attempt to claim the key. One
   * atomic step and one round trip.
   */
  lookUp(key: string, claimant: string, leaseMs: number): Promise<Found>
  /** Whether the claim is still the claimant's; it then lasts for another `leaseMs`. */
  renew(key: string, claimant: string, leaseMs: number): Promise<boolean>
  /**
   * Ends the claim and stores the value, fresh for `ttlMs` and stale for `staleMs` more; stores
   * nothing, and says so, where the claim is no longer the claimant's.
   */
  put(key: string, claimant: string, value: Value, lifetime: Lifetime): Promise<boolean>
  /** Ends the claim without a value. */
  release(key: string, claimant: string): Promise<void>
  /** Forgets the value, and tells every instance. */
  remove(key: string): Promise<void>
  /**
   * Calls back when a key was removed by anyone, or with undefined when removals may have been missed.
   * Called once, before the first key is looked up.
   */
  onRemoved(listener: (key: string | undefined) => void): void
}

/** JSON text. */
export type Value = string

export interface Lifetime {
  ttlMs: number
  staleMs: number
}

export interface Found {
  /** Undefined: there is none, not even a stale one. */
  value: Value | undefined
  /** How long it is still fresh, ms; 0 where it is stale or missing. */
  freshMs: number
  /** How long it may still be served at all. */
  keptMs: number
  /** The key is the claimant's to compute. */
  claimed: boolean
}
