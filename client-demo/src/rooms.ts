import type { Connection } from './connection.ts'
import type { Outbox } from './outbox.ts'
import { createRoomSession, type RoomSession } from './room-session.ts'
import { createStored, isStrings } from './storage.ts'
import { createTopic } from './topic.ts'

/** The rooms this tab is in, and the one it shows: that one is named in the address. */
export interface Rooms {
  readonly list: RoomSession[]
  readonly active: RoomSession | undefined
  /** Joins where needed, and shows. */
  open(room: string): void
  leave(room: string): void
  onChange(listener: () => void): () => void
}

const FIRST_ROOM = 'lobby'

const roomInAddress = () => new URLSearchParams(location.hash.slice(1)).get('room') ?? ''

export const addressOf = (room: string) => `#${new URLSearchParams({ room })}`

export function createRooms(deps: { connection: Connection; outbox: Outbox }): Rooms {
  const stored = createStored(() => sessionStorage, 'roomwire.rooms', isStrings)
  const changes = createTopic<void>()
  const sessions = new Map<string, RoomSession>()
  let active: RoomSession | undefined

  const isRead = () => active !== undefined && document.visibilityState === 'visible'

  function join(room: string): RoomSession {
    const session = sessions.get(room) ?? createRoomSession(room, deps)
    if (sessions.has(room)) return session
    sessions.set(room, session)
    session.onChange(() => {
      if (session === active && isRead()) session.markRead()
      changes.publish()
    })
    stored.write([...sessions.keys()])
    return session
  }

  function show(room: string): void {
    active = room === '' ? undefined : join(room)
    if (isRead()) active?.markRead()
    changes.publish()
  }

  function open(room: string): void {
    if (roomInAddress() === room) show(room)
    else location.hash = addressOf(room)
  }

  window.addEventListener('hashchange', () => show(roomInAddress()))
  document.addEventListener('visibilitychange', () => {
    if (isRead()) active?.markRead()
  })

  for (const room of stored.read() ?? []) join(room)
  const first = roomInAddress() || sessions.keys().next().value || FIRST_ROOM
  history.replaceState(null, '', addressOf(first))
  show(first)

  return {
    get list() {
      return [...sessions.values()]
    },
    get active() {
      return active
    },
    open,
    leave(room) {
      sessions.get(room)?.leave()
      sessions.delete(room)
      stored.write([...sessions.keys()])
      if (active?.room !== room) {
        changes.publish()
        return
      }
      const next = sessions.keys().next().value
      if (next !== undefined) open(next)
      else {
        history.replaceState(null, '', location.pathname + location.search)
        show('')
      }
    },
    onChange: changes.subscribe,
  }
}
