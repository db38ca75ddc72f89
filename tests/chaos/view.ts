import type { Entry, HistoryEvent } from './history.ts'

export type ViolationKind =
  /** A message that exists and that a member, by its position past it, never saw. */
  | 'lost'
  | 'repeated'
  | 'reordered'
  /** The seam of a join's reply and the live stream has a hole or an overlap (D5). */
  | 'torn'
  /** An offset was skipped that nobody ever saw (D3: no holes). */
  | 'hole'
  /** A client went on although the log it had seen was no longer the room's log (D6). */
  | 'resetMissed'
  /** Not wrong, but worth a look: a client was told so although the round took nothing away. */
  | 'resetUnneeded'
  /** Likewise: a connection ended and no fault explains it. */
  | 'dropped'
  /** A body that was not sent under this id, or an id that nobody sent. */
  | 'altered'
  /** A send answered with an error that must not be retried. */
  | 'rejected'
  /** A request without reply; or after the quiet end, not a member again or sends without an answer. */
  | 'stuck'

export interface Violation {
  kind: ViolationKind
  room: string
  client?: string
  epoch?: string
  offset?: number
  ids: string[]
  text: string
  /** Indices of the events that show it, ascending. */
  events: number[]
}

/**
 * A stretch of one client's view of one room within which the gateway claims continuity: it begins
 * with a join without position, a `recovered: false` or a reset, and goes on through every
 * `recovered: true`. Between `base` (exclusive) and `cursor` (inclusive) every offset must be in `seen`.
 */
export interface Segment {
  client: string
  room: string
  epoch: string
  base: number
  cursor: number
  /** By offset: what was seen there, and at which event. */
  seen: Map<number, { id: string; at: number; event: number }>
  begin: number
  last: number
  /** How it ended: the client was told, it left or was cut off, or it was a member at the quiet end. */
  end: 'told' | 'left' | 'live'
}

export interface View {
  segments: Segment[]
  violations: Violation[]
  /** Events that told the client that its history does not go on. */
  told: number[]
  /** Whether the client was a member when its view ended. */
  member: boolean
}

/**
 * Walks one client's events about one room, with its disconnections, in recorded order; each item is
 * an index into `events`. What it finds needs no other client's knowledge.
 */
export function readView(
  client: string,
  room: string,
  events: readonly HistoryEvent[],
  indices: readonly number[],
): View {
  const view: View = { segments: [], violations: [], told: [], member: false }
  let segment: Segment | undefined
  let lastIds = new Map<string, number>()
  /** Position of the last join or reset: nothing at or below it may arrive live (D5). */
  let seam = 0
  /** True until the first live message after a seam. */
  let atSeam = false

  function report(kind: ViolationKind, event: number, text: string, about?: Entry): void {
    const violation: Violation = { kind, room, client, ids: [], text, events: [event] }
    if (about !== undefined) {
      violation.epoch = about.epoch
      violation.offset = about.offset
      violation.ids.push(about.id)
    }
    view.violations.push(violation)
  }

  function begin(epoch: string, base: number, event: number): Segment {
    lastIds = new Map()
    segment = {
      client,
      room,
      epoch,
      base,
      cursor: base,
      seen: new Map(),
      begin: event,
      last: event,
      end: 'left',
    }
    view.segments.push(segment)
    return segment
  }

  function tell(event: number): void {
    view.told.push(event)
    if (segment !== undefined) segment.end = 'told'
  }

  /** Takes a message into the segment; true where it was not there before. */
  function take(into: Segment, entry: Entry, event: number, overlapAllowed: boolean): boolean {
    if (entry.altered) report('altered', event, 'the body is not the one sent under this id', entry)
    const before = into.seen.get(entry.offset)
    into.last = event
    if (before !== undefined) {
      if (before.id !== entry.id) {
        report('reordered', event, `offset ${entry.offset} was ${before.id} before`, entry)
      } else if (!overlapAllowed) {
        report('repeated', event, `offset ${entry.offset} was delivered before`, entry)
      }
      return false
    }
    const elsewhere = lastIds.get(entry.id)
    if (elsewhere !== undefined) {
      report('repeated', event, `was delivered at offset ${elsewhere} before`, entry)
    }
    lastIds.set(entry.id, entry.offset)
    into.seen.set(entry.offset, { id: entry.id, at: entry.at, event })
    return true
  }

  function joined(event: number, fact: HistoryEvent & { type: 'joined' }): void {
    const { since, position, recovered, messages } = fact
    let from = since?.offset ?? 0
    let into = segment
    if (since === undefined || !recovered || into === undefined) {
      if (since !== undefined && !recovered) tell(event)
      const resumed = since !== undefined && recovered
      if (!resumed) {
        from = Math.min(position.offset, ...messages.map(({ offset }) => offset - 1))
      }
      into = begin(position.epoch, from, event)
    } else if (position.epoch !== since.epoch || position.offset < since.offset) {
      report('resetMissed', event, `resumed ${show(since)} as recovered at ${show(position)}`)
      into = begin(position.epoch, from, event)
    }
    let previous = from
    for (const entry of messages) {
      if (entry.epoch !== position.epoch) {
        report('torn', event, `the reply at ${show(position)} holds epoch ${entry.epoch}`, entry)
      }
      if (entry.offset > position.offset) {
        report('torn', event, `the reply goes beyond its position ${show(position)}`, entry)
      } else if (entry.offset <= from) {
        report('repeated', event, `the reply repeats what the position ${from} covers`, entry)
      } else if (entry.offset <= previous) {
        report('reordered', event, `the reply has it after offset ${previous}`, entry)
      }
      // What came live between the request and its reply may be in the reply as well.
      take(into, entry, event, true)
      previous = Math.max(previous, entry.offset)
    }
    let missing = 0
    for (let offset = from + 1; offset <= position.offset; offset += 1) {
      if (!into.seen.has(offset)) missing += 1
    }
    if (missing > 0) {
      report('torn', event, `${missing} missing in the reply between ${from} and ${show(position)}`)
    }
    into.cursor = Math.max(into.cursor, position.offset)
    into.last = event
    seam = position.offset
    atSeam = true
    view.member = true
  }

  function live(event: number, entry: Entry): void {
    if (segment === undefined || !view.member) {
      report('torn', event, 'a live message outside of any membership', entry)
      if (segment === undefined) return
    }
    if (entry.epoch !== segment.epoch) {
      report('resetMissed', event, `epoch ${segment.epoch} went on as ${entry.epoch}`, entry)
      begin(entry.epoch, entry.offset - 1, event)
      seam = 0
      atSeam = false
    }
    const into = segment
    if (entry.offset <= seam) {
      report('torn', event, `arrived live, at or below the seam at ${seam}`, entry)
    }
    const { cursor } = into
    const isNew = take(into, entry, event, false)
    if (isNew && entry.offset < cursor) {
      report('reordered', event, `arrived after offset ${cursor}`, entry)
    }
    if (isNew && atSeam && entry.offset > seam + 1) {
      report('torn', event, `the first live message after the seam at ${seam}`, entry)
    }
    if (entry.offset > seam) atSeam = false
    into.cursor = Math.max(cursor, entry.offset)
  }

  for (const index of indices) {
    const fact = events[index]
    if (fact === undefined) throw new Error(`no event ${index}`)
    if (fact.type === 'joined') joined(index, fact)
    else if (fact.type === 'message') live(index, fact)
    else if (fact.type === 'reset' && view.member) {
      tell(index)
      begin(fact.position.epoch, fact.position.offset, index)
      seam = fact.position.offset
      atSeam = true
    } else if (fact.type === 'left' || fact.type === 'disconnected') view.member = false
    else if (fact.type === 'end') break
  }
  if (segment !== undefined && view.member) segment.end = 'live'
  return view
}

/** `epoch:offset` with the epoch shortened for reading. */
export function show(position: { epoch: string; offset: number }): string {
  return `${position.epoch.slice(0, 8)}:${position.offset}`
}
