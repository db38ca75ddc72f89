import type { Client } from '../../client/connect.ts'
import { type OpenRoom, openRoom } from './open-room.ts'
import { createStored, isStrings } from './storage.ts'
import { createTopic } from './topic.ts'

/** The rooms this tab is in, and the one it shows: that one is named in the address. */
export interface Rooms {
  readonly list: readonly OpenRoom[]
  readonly active: OpenRoom | undefined
  /** Joins where needed, and shows. False for a name that no room can have. */
  open(room: string): boolean
  leave(room: string): void
  onChange(listener: () => void): () => void
}

/** The gateway's limit (docs/PROTOCOL.md); of its code only types may be in what we ship. */
const MAX_ROOM_BYTES = 200
const FIRST_ROOM = 'lobby'

const roomInAddress = () => new URLSearchParams(location.hash.slice(1)).get('room') ?? ''

export const addressOf = (room: string) => `#${new URLSearchParams({ room })}`

const utf8 = new TextEncoder()

export function createRooms(client: Client): Rooms {
  const stored = createStored(() => sessionStorage, 'roomwire.rooms', isStrings)
  const changes = createTopic<void>()
  const rooms = new Map<string, OpenRoom>()
  let active: OpenRoom | undefined

  const isRead = () => active !== undefined && document.visibilityState === 'visible'
  const isName = (name: string) =>
    name.length > 0 && utf8.encode(name).length <= MAX_ROOM_BYTES && name.isWellFormed()

  function join(name: string): OpenRoom {
    const known = rooms.get(name)
    if (known) return known
    const room = openRoom(name, client)
    rooms.set(name, room)
    room.onChange(() => {
      if (room === active && isRead()) room.markRead()
      changes.publish()
    })
    stored.write([...rooms.keys()])
    return room
  }

  function show(name: string): void {
    active = isName(name) ? join(name) : undefined
    if (isRead()) active?.markRead()
    changes.publish()
  }

  function open(name: string): boolean {
    if (!isName(name)) return false
    if (roomInAddress() === name) show(name)
    else location.hash = addressOf(name)
    return true
  }

  window.addEventListener('hashchange', () => show(roomInAddress()))
  document.addEventListener('visibilitychange', () => {
    if (isRead()) active?.markRead()
  })

  for (const name of (stored.read() ?? []).filter(isName)) join(name)
  const first = roomInAddress() || rooms.keys().next().value || FIRST_ROOM
  history.replaceState(null, '', addressOf(first))
  show(first)

  return {
    get list() {
      return [...rooms.values()]
    },
    get active() {
      return active
    },
    open,
    leave(name) {
      rooms.get(name)?.leave()
      rooms.delete(name)
      stored.write([...rooms.keys()])
      if (active?.name !== name) return changes.publish()
      const next = rooms.keys().next().value
      if (next !== undefined) open(next)
      else {
        history.replaceState(null, '', location.pathname + location.search)
        show('')
      }
    },
    onChange: changes.subscribe,
  }
}
