import type { Position } from '../../server/protocol.ts'

/** One stored message as somebody saw it. `altered` marks a body other than the one sent under `id`. */
export interface Entry {
  epoch: string
  offset: number
  id: string
  at: number
  altered?: true
}

/** Who recorded a fact: a client of the round, or the runner. */
interface Seen {
  client: string
  room: string
}

/**
 * What happened, in the order in which the one recording process saw it; for each client that is the
 * order of its wire. Codes of `failed` are the gateway's, or `DISCONNECTED` and `NO_REPLY`, which the
 * recorder makes up where no reply came. Rivals have no positions: epoch '' and offset 0.
 */
export type Fact =
  | ({ type: 'send'; id: string } & Seen)
  | ({ type: 'acked'; id: string; position: Position; duplicate: boolean } & Seen)
  | ({ type: 'failed'; id: string; code: string; retryable: boolean } & Seen)
  | ({ type: 'join'; since?: Position } & Seen)
  | ({
      type: 'joined'
      since?: Position
      position: Position
      recovered: boolean
      messages: Entry[]
    } & Seen)
  | ({ type: 'refused'; verb: string; code: string } & Seen)
  | ({ type: 'message' } & Entry & Seen)
  | ({ type: 'history'; messages: Entry[] } & Seen)
  | ({ type: 'reset'; position: Position } & Seen)
  | ({ type: 'left' } & Seen)
  | { type: 'connected'; client: string; transport: string; recovered: boolean }
  | { type: 'served'; client: string; instance: string }
  | { type: 'status'; client: string; state: string; reason?: string }
  | { type: 'bye'; client: string; code: string }
  | { type: 'disconnected'; client: string; reason: string }
  /** The quiet end of one client: the rooms it should be in, and its sends that got no answer. */
  | { type: 'end'; client: string; rooms: string[]; unanswered: string[] }
  | { type: 'fault'; kind: string; target: string; phase: 'begin' | 'end' | 'once' }
  /** The whole log of a room after the quiet end, through a new client or straight from the store. */
  | { type: 'final'; room: string; source: 'client' | 'store'; epoch: string; entries: Entry[] }

/** A fact and when it was recorded, in ms since 1970. */
export type HistoryEvent = Fact & { t: number }

export interface History {
  /** Append-only; an event's index is its identity. */
  readonly events: readonly HistoryEvent[]
  /** True once `limit` events are in: the round has to stop, a partial history proves nothing. */
  readonly full: boolean
  record(fact: Fact): void
}

/** @param limit most events kept; about 250 bytes each. */
export function createHistory(limit = 1_000_000, now: () => number = Date.now): History {
  const events: HistoryEvent[] = []
  return {
    events,
    get full() {
      return events.length >= limit
    },
    record(fact) {
      if (events.length >= limit) return
      events.push(Object.assign(fact, { t: now() }))
    },
  }
}

/** One JSON object a line, for a post-mortem with grep and jq. */
export function* toJsonLines(events: readonly HistoryEvent[]): Generator<string> {
  for (const event of events) yield `${JSON.stringify(event)}\n`
}

export function fromJsonLines(text: string): HistoryEvent[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as HistoryEvent)
}
