import type { CheckContext } from './checker.ts'
import { finalLog, type RoomEvidence } from './evidence.ts'
import type { HistoryEvent } from './history.ts'
import { show, type Violation } from './view.ts'

/**
 * What needs no view: acknowledgements, ids and offsets against each other and the final log.
 *
 * @returns how many acknowledged messages are gone where the round may lose some.
 */
export function checkRoom(
  room: string,
  evidence: RoomEvidence,
  events: readonly HistoryEvent[],
  context: CheckContext,
  add: (violation: Violation) => void,
): number {
  const final = finalLog(room, evidence)
  const { client, store } = evidence.final
  if (client !== undefined && store !== undefined) {
    for (const offset of new Set([...client.entries.keys(), ...store.entries.keys()])) {
      const ids = [client.entries.get(offset)?.id, store.entries.get(offset)?.id]
      if (ids[0] === ids[1] || offset < client.first) continue
      const text = `a new client reads ${ids[0]} at ${offset}, the store has ${ids[1]}`
      const known = ids.filter((id) => id !== undefined)
      add({
        kind: 'reordered',
        room,
        offset,
        ids: known,
        text,
        events: [client.event, store.event],
      })
    }
  }

  const stored = new Map<string, number>()
  let previous = final.first - 1
  for (const [offset, { id }] of final.entries) {
    if (offset !== previous + 1) {
      const text = `the log goes from ${previous} to ${offset}`
      add({ kind: 'hole', room, offset, ids: [id], text, events: [final.event] })
    }
    previous = offset
    const first = stored.get(id)
    if (first !== undefined) {
      const text = `stored at ${first} and at ${offset}`
      add({ kind: 'repeated', room, offset, ids: [id], text, events: [final.event] })
    } else stored.set(id, offset)
    if (!evidence.sent.has(id)) {
      add({
        kind: 'altered',
        room,
        offset,
        ids: [id],
        text: 'nobody sent it',
        events: [final.event],
      })
    }
  }

  let rolledBack = 0
  for (const [id, acks] of evidence.acks) {
    const facts = acks.map((index) => ackAt(events, index))
    const [first] = facts
    if (first === undefined) continue
    if (first.position.offset >= final.first && !stored.has(id)) {
      if (context.mayLose) rolledBack += 1
      else {
        const { epoch, offset } = first.position
        const text = `acknowledged at ${show(first.position)}, not in the final log`
        const about = { room, client: first.client, epoch, offset, ids: [id], text }
        add({ ...about, kind: 'lost', events: [...acks, final.event] })
      }
    }
    const place = stored.get(id)
    if (place !== undefined && place !== first.position.offset && !context.mayLose) {
      const text = `acknowledged at ${show(first.position)}, stored at ${place}`
      const about = { room, client: first.client, offset: place, ids: [id], text }
      add({ ...about, kind: 'reordered', events: [...acks, final.event] })
    }
    checkAcks(id, acks, facts, context, add)
  }

  if (context.mayLose) return rolledBack
  for (const [epoch, offsets] of evidence.at) {
    const places = new Map<string, number>()
    for (const [offset, ids] of offsets) {
      if (ids.size > 1) {
        const text = `two messages at ${show({ epoch, offset })}`
        const about = { room, epoch, offset, ids: [...ids.keys()], text }
        add({ ...about, kind: 'reordered', events: [...ids.values()].sort((a, b) => a - b) })
      }
      for (const [id, event] of ids) {
        const other = places.get(id)
        if (other === undefined) places.set(id, offset)
        else {
          const where = [...(offsets.get(other)?.values() ?? []), event]
          const text = `seen at ${other} and at ${offset} of epoch ${epoch}`
          add({ kind: 'repeated', room, epoch, offset, ids: [id], text, events: where })
        }
      }
    }
  }
  return rolledBack
}

type Ack = HistoryEvent & { type: 'acked' }

function ackAt(events: readonly HistoryEvent[], index: number): Ack {
  const fact = events[index]
  if (fact?.type !== 'acked') throw new Error(`event ${index} is no acknowledgement`)
  return fact
}

/** D2: within the window, one acknowledgement says that it was new; all of them name one position. */
function checkAcks(
  id: string,
  acks: number[],
  facts: Ack[],
  context: CheckContext,
  add: (violation: Violation) => void,
): void {
  if (context.mayLose) return
  const [first] = facts
  if (first === undefined) return
  const within = facts.filter((fact) => fact.t - first.t < context.dedupWindowMs)
  // A new epoch renames positions, it does not move messages: offsets and times are what counts.
  const places = new Set(within.map(({ position }) => `${position.offset}-${position.at}`))
  const fresh = within.filter((fact) => !fact.duplicate).length
  if (places.size <= 1 && fresh <= 1) return
  const text =
    places.size > 1
      ? `acknowledged at ${[...places].join(' and ')}`
      : `acknowledged ${fresh} times as new`
  const about = { room: first.room, client: first.client, ids: [id], text, events: acks }
  add({ ...about, kind: 'repeated' })
}
