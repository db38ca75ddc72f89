import type { Outgoing, SendStatus } from '../../../client/connect.ts'
import type { RoomMessage, Sender } from '../../../server/protocol.ts'
import type { OpenRoom, Recovery } from '../open-room.ts'

/** One line of the history: a message (stored, or on its way) or a remark between messages. */
export type Entry = MessageEntry | NoteEntry | DayEntry

export interface MessageEntry {
  kind: 'message'
  key: string
  /** The client's id of the message. */
  id: string
  /** Undefined until it is stored. */
  epoch: string | undefined
  offset: number | undefined
  from: Sender
  own: boolean
  body: unknown
  at: number
  /** That came with it. */
  labels?: unknown
  /** What became of sending it, where that is still told; undefined: it is in the log. */
  status: SendStatus | undefined
}

export interface NoteEntry {
  kind: 'note'
  key: string
  recovery: Recovery
}

/** Where a new day begins. */
export interface DayEntry {
  kind: 'day'
  key: string
  at: number
}

/** The room's order first; what has no place in it yet stands at the end, in the order of writing. */
export function entriesOf({ room, notes }: OpenRoom, me: Sender): Entry[] {
  const waiting = new Map(room.outgoing.map((item) => [item.id, item]))
  const entries: Entry[] = []
  const mine = new Set<string>()
  let nextNote = 0
  let day = ''

  const notesBefore = (offset: number) => {
    for (let note = notes[nextNote]; note && note.after < offset; note = notes[nextNote]) {
      entries.push({ kind: 'note', key: note.key, recovery: note.recovery })
      nextNote += 1
    }
  }
  const add = (entry: MessageEntry) => {
    const today = dayOf(entry.at)
    if (today !== day) entries.push({ kind: 'day', key: `day-${today}-${entry.key}`, at: entry.at })
    day = today
    entries.push(entry)
  }

  for (const message of room.messages) {
    notesBefore(message.offset)
    const own = message.from.id === me.id
    const item = own ? waiting.get(message.id) : undefined
    if (item) waiting.delete(message.id)
    add(placed(message, own && !mine.has(message.id), own, item))
    if (own) mine.add(message.id)
  }
  notesBefore(Number.POSITIVE_INFINITY)
  for (const item of inOrder([...waiting.values()], room.position)) add(unplaced(item, me))
  return entries
}

/** Of thousands nothing changes any more: made once. */
const made = new WeakMap<RoomMessage, MessageEntry>()

/** One row from writing to its place in the log; a second copy of an id has a row of its own. */
function placed(
  message: RoomMessage,
  keepsRow: boolean,
  own: boolean,
  item: Outgoing | undefined,
): MessageEntry {
  const { epoch, offset, id, from, body, at, labels } = message
  const key = keepsRow ? `own-${id}` : `${epoch}:${offset}`
  const known = made.get(message)
  if (known?.key === key && known.status === item?.status && known.own === own) return known
  const status = item?.status
  const entry: MessageEntry = {
    kind: 'message',
    key,
    id,
    epoch,
    offset,
    from,
    own,
    body,
    at,
    ...(labels !== undefined && { labels }),
    status,
  }
  made.set(message, entry)
  return entry
}

function unplaced({ id, body, at, status }: Outgoing, from: Sender): MessageEntry {
  const place = status.kind === 'stored' ? status.sent.position : undefined
  const { epoch, offset } = place ?? {}
  return { kind: 'message', key: `own-${id}`, id, epoch, offset, from, own: true, body, at, status }
}

/**
 * A message may be acknowledged before it comes back through the room, and shows its place already.
 * One whose place is behind what is here was scrolled away, or belongs to a history that was reset.
 */
function inOrder(items: Outgoing[], last: OpenRoom['room']['position']): Outgoing[] {
  const placeOf = ({ status }: Outgoing) =>
    status.kind === 'stored' ? status.sent.position : undefined
  const ahead = items
    .filter((item) => {
      const place = placeOf(item)
      return place && place.epoch === last?.epoch && place.offset > last.offset
    })
    .sort((a, b) => (placeOf(a)?.offset ?? 0) - (placeOf(b)?.offset ?? 0))
  return [...ahead, ...items.filter((item) => !placeOf(item))]
}

const QUARTER_MS = 15 * 60_000
const days = new Map<number, string>()

/** The calendar day, here, of a time; asked for thousands of times with few different answers. */
function dayOf(at: number): string {
  // No time zone begins its days in the middle of a quarter of an hour.
  const quarter = Math.floor(at / QUARTER_MS)
  const known = days.get(quarter) ?? new Date(quarter * QUARTER_MS).toDateString()
  days.set(quarter, known)
  return known
}
