import type { Sender } from '../../../server/protocol.ts'
import type { SendState } from '../outbox.ts'
import type { Recovery, RoomSession } from '../room-session.ts'

/** One line of the history: a message (stored, or on its way) or a remark between messages. */
export type Entry =
  | {
      kind: 'message'
      key: string
      /** Undefined until it is stored. */
      offset: number | undefined
      /** The outbox's id of a message that was written in this tab. */
      id: string | undefined
      from: Sender
      own: boolean
      body: unknown
      at: number
      state: SendState | undefined
    }
  | { kind: 'note'; key: string; recovery: Recovery }

/** The room's order first; what has no place in it yet stands at the end, in the order of writing. */
export function entriesOf(session: RoomSession, me: Sender): Entry[] {
  const { messages, outgoing, notes } = session
  const placed = new Map(outgoing.map((item) => [item.position?.offset, item]))
  const last = messages.at(-1)?.offset ?? 0
  const entries: Entry[] = []
  let nextNote = 0

  const notesBefore = (offset: number) => {
    for (let note = notes[nextNote]; note && note.after < offset; note = notes[nextNote]) {
      entries.push({ kind: 'note', key: note.key, recovery: note.recovery })
      nextNote += 1
    }
  }

  for (const { offset, from, body, at } of messages) {
    notesBefore(offset)
    const item = placed.get(offset)
    const own = from.id === me.id
    entries.push({
      kind: 'message',
      key: item ? `own-${item.id}` : `at-${offset}`,
      offset,
      id: item?.id,
      from,
      own,
      body,
      at,
      state: item?.state ?? (own ? { kind: 'stored' } : undefined),
    })
  }
  notesBefore(Number.POSITIVE_INFINITY)

  // A message may be acknowledged before it comes back through the room, and shows its place already.
  const acknowledged = outgoing
    .filter((item) => (item.position?.offset ?? 0) > last)
    .sort((a, b) => (a.position?.offset ?? 0) - (b.position?.offset ?? 0))
  const unplaced = outgoing.filter((item) => item.position === undefined)
  for (const { id, body, at, state, position } of [...acknowledged, ...unplaced]) {
    const offset = position?.offset
    entries.push({
      kind: 'message',
      key: `own-${id}`,
      offset,
      id,
      from: me,
      own: true,
      body,
      at,
      state,
    })
  }
  return entries
}
