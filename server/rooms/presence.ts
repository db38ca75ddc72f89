import type { Sender } from '../protocol.ts'

/**
 * The port through which instances share who is in a room. `broker/memory-presence.ts` and
 * `broker/redis/presence.ts` implement it; `tests/contracts/presence-store.ts` is the suite both pass.
 *
 * An instance writes its own users, a hash for each of its rooms, and holds one lease for all of
 * them: what it wrote counts as long as the lease does. So a heartbeat costs the same for one room as
 * for ten thousand, and an instance that was killed takes all its users with it.
 *
 * Errors: every method rejects with a `GatewayError`, `UNAVAILABLE` or `OUTCOME_UNKNOWN`; a change may
 * then be written in part, which writing the room as a whole mends.
 */

/** A user in a room, and since when: ms since 1970, by the clock of the instance. */
export interface Present {
  user: Sender
  since: number
}

/** Another instance whose lease holds. Ages are by the store's clock. */
export interface Lease {
  /** Names one run of an instance. */
  boot: string
  /** Empty: it has ended, and what it wrote counts for a little longer. */
  instance: string
  /** Since it was renewed, ms. */
  ageMs: number
  remainingMs: number
}

/** What became of the users of one instance in one room. */
export interface PresenceChange {
  /** `present` is everybody, whatever was written before. */
  whole: boolean
  present: readonly Present[]
  /** Ids of users. */
  gone: readonly string[]
}

/** Who is in a room, by instance. */
export interface RoomPresence {
  /** False: more than were asked for, `users` are some of them. */
  whole: boolean
  /** Of all; beyond `EXACT_COUNT` those of several instances count as often. */
  count: number
  users: { boot: string; present: Present[] }[]
}

/** Users of a room that are counted one by one. */
export const EXACT_COUNT = 10_000

export interface PresenceListener {
  /** What an instance wrote, one's own included, in its order; some may be lost. */
  changed(room: string, boot: string, change: PresenceChange): void
  /** Something was written that is not told in full: read it. */
  unclear(room: string): void
  /** Subscriptions had been interrupted; what was told meanwhile is missing. */
  restored(): void
}

export interface PresenceStore {
  /** Of this instance. */
  readonly boot: string
  /**
   * Renews this instance's lease for so long; only looks where that is undefined.
   *
   * @returns the leases of others, and whether one's own was still there: if not, what one wrote does
   *   not count any more. `ended`: boots whose leases ended, each told to one caller only.
   */
  leases(renewMs: number | undefined): Promise<{ held: boolean; others: Lease[]; ended: string[] }>
  /** Gives up the lease for good: what is written counts for so long, ms. */
  end(ms: number): Promise<void>
  /** Writes this instance's users in a room, and tells everybody who is subscribed. */
  write(room: string, change: PresenceChange): Promise<void>
  /** Keeps what was written from expiring; returns the rooms of which nothing is left. */
  keep(rooms: readonly string[]): Promise<string[]>
  /** Users whom these boots wrote: all of them up to `most`, else about `some`. */
  read(
    room: string,
    boots: readonly string[],
    bounds: { most: number; some: number },
  ): Promise<RoomPresence>
  /** Resolves once what is written is told to the listener. */
  subscribe(room: string): Promise<void>
  unsubscribe(room: string): Promise<void>
  /** Sets the one listener. Called once, before the first `subscribe`. */
  listen(listener: PresenceListener): void
}
