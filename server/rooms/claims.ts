/**
 * The port through which one of several consumers takes a message for itself. `broker/memory-claims.ts`
 * and `broker/redis/claims.ts` implement it; `tests/contracts/claim-store.ts` is the suite both pass.
 *
 * Errors: rejects with a `GatewayError`, `UNAVAILABLE` or `OUTCOME_UNKNOWN`; both may be repeated,
 * since the same holder's claim is renewed.
 */
export interface ClaimStore {
  /**
   * Takes the claim if it is free, its lease has ended, or it is the holder's own. Atomic: of all who
   * ask at once, one wins. One that is done stays its holder's for as long as it says, and is for
   * nobody else to take over.
   */
  claim(claim: Claiming): Promise<ClaimOutcome>
  /** Gives it up, if it is the holder's and not done; returns whether it was. */
  release(claim: Omit<Claiming, 'leaseMs' | 'done'>): Promise<boolean>
}

export interface Claiming {
  room: string
  /** Consumers of different groups do not compete. */
  group: string
  id: string
  holder: string
  leaseMs: number
  done: boolean
}

/** `remainingMs` of the lease, the winner's own or the one of whoever holds it. */
export interface ClaimOutcome {
  won: boolean
  done: boolean
  remainingMs: number
}
