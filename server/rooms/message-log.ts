/**
 * The port through which rooms are stored. `broker/memory.ts` and `broker/redis/log.ts` implement
 * it; `tests/contracts/message-log.ts` is the suite both pass, each with two instances over one store.
 *
 * Errors: every method rejects with a `GatewayError`. `UNAVAILABLE` means that nothing was changed,
 * `OUTCOME_UNKNOWN` that it is not known (only from `append`, `renew` and `purge`).
 */

/** A place in a room's log. `at` is the time of the entry there (ms, the store's clock); 0 at offset 0. */
export interface Tail {
  epoch: string
  offset: number
  at: number
}

/** A place as a client claims it; without `at` only its epoch can be verified. */
export interface Claim {
  epoch: string
  offset: number
  at?: number | undefined
}

/** A stored message. `content` is the JSON text of `{ id, from, body }`, on one line. */
export interface Entry {
  offset: number
  at: number
  /** `at` of the entry before, 0 for the first: the link by which continuity is verified. */
  prevAt: number
  content: string
  /** JSON text of an object, where the message was given labels; on one line. */
  labels?: string
}

/** The labels of a stored message; `at` tells it from another one at that offset. */
export interface Labelled {
  offset: number
  at: number
  labels: string
}

export interface Append {
  room: string
  /** Scope of the message id: the authenticated user, else the session, else the connection (D2). */
  sender: string
  id: string
  content: string
  /**
   * Stands for what the body says. Within the content window a message of the same sender with the
   * same one is the same message. Undefined: the window is off, or does not apply.
   */
  digest?: string | undefined
}

/**
 * Why nothing was stored: the id came again to the instance that had stored the first, or to another
 * one; or another message said the same within the content window.
 */
export type Repeat = 'retry' | 'cross_instance' | 'content'

export interface Appended {
  /** Where the message is; for a duplicate, where the first one is. */
  position: Tail
  duplicate: boolean
  /** Of a duplicate. */
  repeat?: Repeat
  /** `at` of the entry before a stored one, where the log says so. */
  prevAt?: number
}

/** Most content that one page carries, in bytes (or UTF-16 code units, where that is what one has). */
export const PAGE_BYTES = 1024 * 1024

/**
 * What to read. Replies are bounded by `limit` and `PAGE_BYTES`, whichever ends first, but hold at
 * least one entry where there is one and `limit` allows it.
 */
export type Query =
  /** The newest entries. */
  | { kind: 'last'; limit: number }
  /** The newest entries below an offset. */
  | { kind: 'before'; offset: number; limit: number }
  /** The oldest entries above a place: a page of a fill. */
  | { kind: 'after'; from: Claim; limit: number }
  /** All entries above a place, or, if they cannot be had whole, the newest `orLast` ones. */
  | { kind: 'resume'; from: Claim; limit: number; orLast: number }

/**
 * Whether the log continues a place:
 * - `whole`: verified; nothing between the place and the tail is missing,
 * - `trimmed`: the entries after it are gone, or too many for a resume,
 * - `broken`: the room has another history at that offset, or ends before it (a rollback),
 * - `foreign`: the room is in another epoch.
 */
export type Continuity = 'whole' | 'trimmed' | 'broken' | 'foreign'

export interface Page {
  /** The room's end at the moment of reading; `entries` are of the same moment. */
  tail: Tail
  continuity: Continuity
  /** Ascending. */
  entries: Entry[]
}

export interface RoomPosition {
  room: string
  position: Tail
}

export interface Verified {
  tail: Tail
  continuity: Continuity
}

/** What the store tells by itself about rooms that are subscribed to. */
export interface LogListener {
  /** A message was stored. Frames of a room come in log order but may be missing, late or repeated. */
  stored(room: string, epoch: string, entry: Entry): void
  /** Whether what was stored at this place is here already: its frames need not be read then. */
  knows?(room: string, epoch: string, offset: number, at: number): boolean
  /** A message was given labels. May come before the message itself, twice, or never. */
  labelled(room: string, epoch: string, labelled: Labelled): void
  /** The room began a new epoch at `tail`. */
  renewed(room: string, tail: Tail): void
  /** Subscriptions had been interrupted and hold again; what was published meanwhile is missing. */
  restored(): void
}

export interface MessageLog {
  /**
   * Stores a message at the room's next offset and publishes it; or, within the dedup window, finds
   * the one with the same (room, sender, id), or within the content window the one with the same
   * (room, sender, digest), and stores nothing. Atomic per room (D2, D3). Calls of
   * one instance for one room take effect in the order they are made in; when one fails, none that
   * was waiting behind it has been stored.
   */
  append(message: Append): Promise<Appended>

  /** Reads entries and tail in one atomic step, from the primary. Begins the room's epoch if it has none. */
  read(room: string, query: Query): Promise<Page>

  /**
   * Verifies many rooms' positions in as few round trips as possible, and keeps their logs from expiring.
   * One that cannot be read, be it damaged or on a server that is away, is rejected without the others; the
   * call itself is not.
   *
   * @param quick only compares positions with the rooms' ends, and keeps nothing: what is `whole` but
   *   not at the end is for a fill to verify
   */
  verify(
    positions: readonly RoomPosition[],
    quick?: boolean,
  ): Promise<PromiseSettledResult<Verified>[]>

  /**
   * Begins a new epoch if the room's is still `epoch` (compare and set), publishes that in sequence
   * and returns the room's tail, whoever renewed it. The log and its offsets go on.
   */
  renew(room: string, epoch: string): Promise<Tail>

  /**
   * Gives labels to a stored message, in place of those it had, and publishes them. Atomic: where the
   * message is not in the log any more, or another one is at its offset, nothing is changed and the
   * result is false. They live as long as the message does.
   */
  label(room: string, message: Labelled): Promise<boolean>
  /** The labels of the messages from one offset to another, both included, ascending. */
  labels(room: string, from: number, to: number): Promise<Labelled[]>

  /**
   * Forgets the room's messages and begins a new epoch at offset 0, which is published; returns its
   * tail. What was stored under an id before may be stored again.
   */
  purge(room: string): Promise<Tail>

  /** Resolves once the subscription is confirmed: what is stored from then on comes to the listener. */
  subscribe(room: string): Promise<void>
  unsubscribe(room: string): Promise<void>

  /** Sets the one listener. Called once, before the first `subscribe`. */
  listen(listener: LogListener): void
}

/** As many entries as fit into a page, from the newest or from the oldest end; at least one. */
export function withinPage(entries: readonly Entry[], fromNewest: boolean): Entry[] {
  let bytes = 0
  const kept = (fromNewest ? entries.toReversed() : entries).filter((entry, index) => {
    bytes += entry.content.length
    return index === 0 || bytes <= PAGE_BYTES
  })
  return fromNewest ? kept.reverse() : kept
}
