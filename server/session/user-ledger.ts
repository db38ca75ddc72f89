/**
 * What all instances together know of a user: places that connections hold, and what was used up.
 * Errors: rejects while the store is away; the caller then goes by what it knows itself.
 */
export interface UserLedger {
  /**
   * Takes a place among a user's connections for `LEASE_MS`; false where `max` are taken. Atomic over
   * all instances. Repeating it renews the lease.
   */
  take(user: string, connection: string, max: number): Promise<boolean>
  /** Puts off the end of leases that are held; one that is gone is taken again, over the limit if need be. */
  renew(leases: readonly Lease[]): Promise<void>
  give(lease: Lease): Promise<void>
  /** Adds to what was used up, and returns the totals of all instances. */
  use(uses: readonly Use[]): Promise<number[]>
}

export interface Lease {
  user: string
  connection: string
}

export interface Use {
  user: string
  /** What is counted, and in which stretch of time. */
  what: string
  amount: number
  /** When the count may be forgotten. */
  keepMs: number
}

/** A place whose instance died is free after this long. */
export const LEASE_MS = 30_000
