import { finalLog, type RoomEvidence } from './evidence.ts'
import { type Segment, show, type Violation } from './view.ts'

/**
 * One segment against what others know of the room: every offset of its span was seen, and what was
 * seen is still the room's log, or the client was told before it saw what replaced it.
 */
export function checkSegment(
  segment: Segment,
  evidence: RoomEvidence,
  add: (violation: Violation) => void,
): void {
  const { client, room, epoch, base, cursor, seen } = segment
  const final = finalLog(room, evidence)
  const known = evidence.at.get(epoch)

  for (let offset = base + 1; offset <= cursor; offset += 1) {
    if (seen.has(offset)) continue
    const ids = [...(known?.get(offset) ?? [])]
    add({
      kind: ids.length > 0 ? 'lost' : 'hole',
      room,
      client,
      epoch,
      offset,
      ids: ids.map(([id]) => id),
      text: `never saw ${show({ epoch, offset })}, but went on to ${cursor}`,
      events: [segment.begin, ...ids.map(([, event]) => event), after(segment, offset)],
    })
  }

  const about = { room, client, epoch }
  if (segment.end === 'live') {
    if (epoch !== final.epoch) {
      const text = `still in epoch ${epoch} while the room is in ${show({ ...final, offset: 0 })}`
      add({ ...about, kind: 'resetMissed', ids: [], text, events: [segment.begin, segment.last] })
      return
    }
    for (const [offset, { id }] of final.entries) {
      if (offset <= cursor || offset <= base) continue
      const text = `never saw ${show({ epoch, offset })}, the end of the log; stopped at ${cursor}`
      add({ ...about, kind: 'lost', offset, ids: [id], text, events: [segment.last, final.event] })
    }
  }

  // Against the log as it ended: all of it while live, else all but the part that was rolled back.
  let differs: { offset: number; id: string; event: number } | undefined
  for (const [offset, { id, at, event }] of [...seen].sort(([a], [b]) => a - b)) {
    if (offset < final.first) continue
    // The time as well: a message that a rollback took may come back to the same offset by chance.
    const now = final.entries.get(offset)
    const same = now?.id === id && now.at === at
    if (!same) differs ??= { offset, id, event }
    const missed = segment.end === 'live' ? !same : same && differs !== undefined
    if (!missed || differs === undefined) continue
    add({
      ...about,
      kind: 'resetMissed',
      offset: differs.offset,
      ids: [differs.id],
      text: `saw ${differs.id} where the log has ${final.entries.get(differs.offset)?.id}, and went on without being told`,
      events: [differs.event, event, final.event],
    })
    return
  }
}

/** The event at which a segment first went past an offset. */
function after(segment: Segment, offset: number): number {
  let first = segment.last
  for (const [seen, { event }] of segment.seen) {
    if (seen > offset && event < first) first = event
  }
  return first
}
