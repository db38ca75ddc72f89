import type { Sender } from '../protocol.ts'
import type { PresenceChange, Present } from './presence.ts'

/**
 * Who is in which room through this instance: users, not connections. One whose last connection broke
 * stays for a grace period, since most come back.
 */
export interface Attendance {
  entered(room: string, user: Sender): void
  /** @param mayReturn the connection broke, rather than leaving the room */
  left(room: string, user: Sender, mayReturn: boolean): void
  present(room: string): Present[]
  /** Whether anybody is there. */
  occupies(room: string): boolean
  /** What changed since it was last taken; `whole` asks for everybody. */
  take(room: string, whole: boolean): PresenceChange
  rooms(): Iterable<string>
  readonly size: number
  stop(): void
}

interface Attendee extends Present {
  connections: number
}

interface AttendedRoom {
  users: Map<string, Attendee>
  /** Ids of users who came, went, or have another name. */
  changed: Set<string>
}

export function createAttendance(deps: {
  graceMs: number
  /** There is something to take. */
  changed(room: string): void
  now?: () => number
}): Attendance {
  const now = deps.now ?? Date.now
  const rooms = new Map<string, AttendedRoom>()
  /** Who may return until when; in the order of these times, since all wait equally long. */
  const awaited = new Map<Attendee, { room: string; until: number }>()
  let timer: NodeJS.Timeout | undefined

  function roomOf(name: string): AttendedRoom {
    let room = rooms.get(name)
    if (room === undefined) {
      room = { users: new Map(), changed: new Set() }
      rooms.set(name, room)
    }
    return room
  }

  function change(name: string, room: AttendedRoom, id: string): void {
    room.changed.add(id)
    if (room.changed.size === 1) deps.changed(name)
  }

  function remove(name: string, { user }: Attendee): void {
    const room = rooms.get(name)
    if (room?.users.delete(user.id)) change(name, room, user.id)
  }

  function removeAwaited(): void {
    timer = undefined
    const time = now()
    for (const [attendee, { room, until }] of awaited) {
      if (until > time) break
      awaited.delete(attendee)
      remove(room, attendee)
    }
    wait()
  }

  function wait(): void {
    if (timer !== undefined) return
    for (const { until } of awaited.values()) {
      timer = setTimeout(removeAwaited, Math.max(1, until - now()))
      timer.unref()
      return
    }
  }

  return {
    entered(name, user) {
      const room = roomOf(name)
      const known = room.users.get(user.id)
      if (known === undefined) {
        room.users.set(user.id, { user, since: now(), connections: 1 })
        change(name, room, user.id)
        return
      }
      known.connections += 1
      if (known.connections === 1) awaited.delete(known)
      if (known.user.name !== user.name) {
        known.user = user
        change(name, room, user.id)
      }
    },
    left(name, { id }, mayReturn) {
      const known = rooms.get(name)?.users.get(id)
      if (known === undefined || known.connections === 0) return
      known.connections -= 1
      if (known.connections > 0) return
      if (!mayReturn || deps.graceMs === 0) return remove(name, known)
      awaited.set(known, { room: name, until: now() + deps.graceMs })
      wait()
    },
    present: (name) =>
      [...(rooms.get(name)?.users.values() ?? [])].map(({ user, since }) => ({ user, since })),
    occupies: (name) => (rooms.get(name)?.users.size ?? 0) > 0,
    take(name, whole) {
      const room = rooms.get(name)
      if (room === undefined) return { whole, present: [], gone: [] }
      const ids = [...(whole ? room.users.keys() : room.changed)]
      room.changed = new Set()
      if (room.users.size === 0) rooms.delete(name)
      const present = ids.flatMap((id) => {
        const found = room.users.get(id)
        return found === undefined ? [] : [{ user: found.user, since: found.since }]
      })
      return { whole, present, gone: ids.filter((id) => !room.users.has(id)) }
    },
    rooms: () => rooms.keys(),
    get size() {
      return rooms.size
    },
    stop: () => clearTimeout(timer),
  }
}
