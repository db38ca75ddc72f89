import { checkRoom } from './check-room.ts'
import { checkSegment } from './check-segment.ts'
import { gather } from './evidence.ts'
import type { HistoryEvent } from './history.ts'
import { readView, type View, type Violation } from './view.ts'

export interface CheckContext {
  /**
   * A fault of the round took data away from Redis. Then acknowledged messages may be gone and their
   * offsets used again, but everybody who saw them must have been told. One such fault a round: a view
   * that mixes two timelines, both of them gone at the end, would not be recognised.
   */
  mayLose: boolean
  /** How long an id is remembered, in ms; ids sent again later are not judged. */
  dedupWindowMs: number
  /** A resume over more messages than this may be refused (RESUME_MAX, messages or bytes). */
  resumable: number
}

export interface Report {
  /** Ids sent, and ids with at least one acknowledgement. */
  sent: number
  acked: number
  /** Messages seen by members, live or in replies, each once a segment. */
  delivered: number
  /** Acknowledgements with `duplicate: true`. */
  duplicates: number
  /** Replies `OUTCOME_UNKNOWN`, and sends without any reply. */
  unknownOutcomes: number
  /** Resumes with `recovered: true` and `room:reset` plus `recovered: false`, over all clients. */
  resumed: number
  resetsAnnounced: number
  /** Acknowledged, then taken away by a fault that takes data; only where `mayLose`. */
  rolledBack: number
  lost: number
  repeated: number
  reordered: number
  torn: number
  holes: number
  resetsMissed: number
  altered: number
  rejected: number
  stuck: number
  /** At most 1,000; the counts above go on. */
  violations: Violation[]
  /** What is allowed, but should have a reason. */
  notices: Violation[]
}

const MAX_VIOLATIONS = 1000

/** Messages that a join asked for. */
function behindAt(fact: HistoryEvent | undefined): number {
  if (fact?.type !== 'joined' || fact.since === undefined) return 0
  return fact.position.offset - fact.since.offset
}

/** Codes after which nobody knows whether the message is stored. */
const NO_REPLY = 'NO_REPLY'
const UNKNOWN: ReadonlySet<string> = new Set(['OUTCOME_UNKNOWN', 'DISCONNECTED', NO_REPLY])

/** What must be 0 whatever happened. */
export const NO_FAULTS = {
  lost: 0,
  repeated: 0,
  reordered: 0,
  torn: 0,
  holes: 0,
  resetsMissed: 0,
  altered: 0,
  rejected: 0,
  stuck: 0,
}

/**
 * Decides from what clients sent, were acknowledged and saw, and from the log as it stands after the
 * quiet end, whether the contract held. Nothing in here comes from the gateway's account of itself.
 *
 * - **lost**: a view (one client, one room) is a sequence of segments; each begins with a join without
 *   position, a `recovered: false` or a reset, and goes on through every `recovered: true`, whichever
 *   instance gave it. Every message whose position lies in the segment's span, in its epoch, must have
 *   been seen. The span of a member at the quiet end reaches to the tail of the final log. Counted once
 *   for each message and client. Also: acknowledged, but not in the final log (unless `mayLose`).
 * - **repeated**: seen twice in a segment, or one id at two offsets of one epoch, in one segment or in
 *   the final log; an acknowledgement that contradicts the first one of its id.
 * - **reordered**: offsets not ascending in a segment, or two ids for one (room, epoch, offset).
 * - **torn**, **hole**, **altered**, **rejected**, **stuck**: see `ViolationKind`.
 * - **resetsMissed**: a segment that goes on in another epoch; one that is still going on at the end
 *   and differs from the final log, or has another epoch; one that was told, but only after it had
 *   followed the new timeline behind the old one.
 *
 * @throws Error where the history is not one that can be judged: no final read of a room.
 */
export function checkHistory(events: readonly HistoryEvent[], context: CheckContext): Report {
  const { rooms, views: indexed } = gather(events)
  const report: Report = {
    sent: 0,
    acked: 0,
    delivered: 0,
    duplicates: 0,
    unknownOutcomes: 0,
    resumed: 0,
    resetsAnnounced: 0,
    rolledBack: 0,
    ...NO_FAULTS,
    violations: [],
    notices: [],
  }

  function add(violation: Violation): void {
    if (violation.kind === 'resetUnneeded' || violation.kind === 'dropped') {
      report.notices.push(violation)
      return
    }
    if (violation.kind === 'hole') report.holes += 1
    else if (violation.kind === 'resetMissed') report.resetsMissed += 1
    else report[violation.kind] += 1
    if (report.violations.length < MAX_VIOLATIONS) report.violations.push(violation)
  }

  /** D7: a request on a connection that lives has an answer, if only that there is trouble. */
  function unanswered({ client, room }: { client: string; room: string }, event: number): void {
    add({ kind: 'stuck', room, client, ids: [], text: 'a request without reply', events: [event] })
  }

  const views = new Map<string, View>()
  for (const { client, room, indices } of indexed) {
    const view = readView(client, room, events, indices)
    views.set(`${client} ${room}`, view)
    view.violations.forEach(add)
    report.resetsAnnounced += view.told.length
    for (const event of context.mayLose ? [] : view.told) {
      if (behindAt(events[event]) > context.resumable) continue
      const text = 'was told that its history does not go on'
      add({ kind: 'resetUnneeded', room, client, ids: [], text, events: [event] })
    }
    const evidence = rooms.get(room)
    if (evidence === undefined) throw new Error(`room ${room} was never mentioned`)
    for (const segment of view.segments) {
      report.delivered += segment.seen.size
      checkSegment(segment, evidence, add)
    }
  }
  for (const [room, evidence] of rooms) {
    report.sent += evidence.sent.size
    report.acked += evidence.acks.size
    report.rolledBack += checkRoom(room, evidence, events, context, add)
  }
  events.forEach((fact, index) => {
    if (fact.type === 'acked' && fact.duplicate) report.duplicates += 1
    if (fact.type === 'joined' && fact.since !== undefined && fact.recovered) report.resumed += 1
    if (fact.type === 'failed') {
      if (UNKNOWN.has(fact.code)) report.unknownOutcomes += 1
      if (fact.code === NO_REPLY) unanswered(fact, index)
      if (!fact.retryable) {
        const { client, room, id, code } = fact
        const text = `answered ${code}, not retryable`
        add({ kind: 'rejected', room, client, ids: [id], text, events: [index] })
      }
    }
    if (fact.type === 'refused' && fact.code === NO_REPLY) unanswered(fact, index)
    if (fact.type === 'end') {
      const { client } = fact
      for (const room of fact.rooms) {
        if (views.get(`${client} ${room}`)?.member) continue
        const text = 'not a member again after the quiet end'
        add({ kind: 'stuck', room, client, ids: [], text, events: [index] })
      }
      if (fact.unanswered.length > 0) {
        const text = `${fact.unanswered.length} sends not acknowledged by the quiet end`
        const ids = fact.unanswered.slice(0, 10)
        add({ kind: 'stuck', room: '', client, ids, text, events: [index] })
      }
    }
  })
  return report
}
