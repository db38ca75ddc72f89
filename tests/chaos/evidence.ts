import type { Entry, HistoryEvent } from './history.ts'

/** Who says that a message exists, by room. */
export interface RoomEvidence {
  /** Ids that clients sent, and the first time. */
  sent: Map<string, number>
  /** Acknowledgements by id, as indices of events, in order. */
  acks: Map<string, number[]>
  /** Ids by epoch and offset, from acknowledgements and from everything that anybody saw. */
  at: Map<string, Map<number, Map<string, number>>>
  final: { client?: FinalLog; store?: FinalLog }
}

/** The room's log after the quiet end, as one source gives it. */
export interface FinalLog {
  /** Empty where the source does not know it. */
  epoch: string
  /** Lowest offset still kept; 1 in an empty log. */
  first: number
  /** By offset, ascending. */
  entries: Map<number, Entry>
  event: number
}

/** Client and room of a view, and the indices of what concerns it. */
export interface ViewIndex {
  client: string
  room: string
  indices: number[]
}

export interface Evidence {
  rooms: Map<string, RoomEvidence>
  views: ViewIndex[]
}

/** Sorts a history into rooms and views, in one pass. */
export function gather(events: readonly HistoryEvent[]): Evidence {
  const rooms = new Map<string, RoomEvidence>()
  const views = new Map<string, Map<string, ViewIndex>>()

  function roomOf(room: string): RoomEvidence {
    let known = rooms.get(room)
    if (known === undefined) {
      known = { sent: new Map(), acks: new Map(), at: new Map(), final: {} }
      rooms.set(room, known)
    }
    return known
  }

  function saw(room: RoomEvidence, entry: Omit<Entry, 'at'>, event: number): void {
    const epoch = entryOf(room.at, entry.epoch, () => new Map<number, Map<string, number>>())
    const ids = entryOf(epoch, entry.offset, () => new Map<string, number>())
    if (!ids.has(entry.id)) ids.set(entry.id, event)
  }

  events.forEach((fact, index) => {
    if (fact.type === 'disconnected' || fact.type === 'end') {
      for (const view of views.get(fact.client)?.values() ?? []) view.indices.push(index)
      return
    }
    if (!('room' in fact)) return
    const room = roomOf(fact.room)
    switch (fact.type) {
      case 'send':
        if (!room.sent.has(fact.id)) room.sent.set(fact.id, fact.t)
        return
      case 'acked':
        entryOf(room.acks, fact.id, () => [] as number[]).push(index)
        saw(room, { ...fact.position, id: fact.id }, index)
        return
      case 'final':
        room.final[fact.source] = readFinal(fact, index)
        if (fact.source === 'client') for (const entry of fact.entries) saw(room, entry, index)
        return
      case 'history':
        for (const entry of fact.messages) saw(room, entry, index)
        return
      case 'message':
        saw(room, fact, index)
        break
      case 'joined':
        for (const entry of fact.messages) saw(room, entry, index)
        break
      case 'reset':
      case 'left':
        break
      default:
        return
    }
    const byRoom = entryOf(views, fact.client, () => new Map<string, ViewIndex>())
    entryOf(byRoom, fact.room, () => ({
      client: fact.client,
      room: fact.room,
      indices: [],
    })).indices.push(index)
  })
  return { rooms, views: [...views.values()].flatMap((byRoom) => [...byRoom.values()]) }
}

function readFinal(fact: HistoryEvent & { type: 'final' }, index: number): FinalLog {
  return {
    epoch: fact.epoch,
    first: fact.entries[0]?.offset ?? 1,
    entries: new Map(fact.entries.map((entry) => [entry.offset, entry])),
    event: index,
  }
}

function entryOf<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

/**
 * The final log: entries as the store has them where it was read, the epoch as clients get it.
 *
 * @throws Error where nobody read the room after the quiet end: such a round proves nothing.
 */
export function finalLog(room: string, evidence: RoomEvidence): FinalLog {
  const { client, store } = evidence.final
  const known = store ?? client
  if (known === undefined) throw new Error(`room ${room} has no final read`)
  return { ...known, epoch: client?.epoch ?? known.epoch }
}
