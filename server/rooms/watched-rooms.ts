import type { Member } from './local-room.ts'
import type { PresenceChange, PresenceStore, Present } from './presence.ts'
import { type ComingOrGoing, createRoomView, MAX_TOLD, type RoomView } from './room-view.ts'

/**
 * The rooms of which members here want to hear who comes and goes. Only these are subscribed to, read,
 * and read again now and then, since what is told may be lost.
 */
export interface WatchedRooms {
  watch(room: string, member: Member): void
  unwatch(room: string, member: Member): void
  changed(room: string, boot: string, change: PresenceChange): void
  /** Reads a room soon. */
  read(room: string): void
  readAll(): void
  /** Forgets whoever is there through instances that are none of these. */
  keepOnly(boots: ReadonlySet<string>): void
  readonly size: number
  stop(): void
}

interface WatchedRoom {
  watchers: Set<Member>
  view: RoomView
  /** Changes that came while a read is under way. */
  meanwhile: { boot: string; change: PresenceChange }[] | undefined
}

/** Reads go out so often, so many at a time: 100 a second, whatever there is to read. */
const TICK_MS = 100
const READS_PER_TICK = 10
/** Every room is read again after this long, or later where there are many. */
const REREAD_MS = 10_000
/** A user may be there through several instances. */
const MOST = 2 * MAX_TOLD
/** Changes kept during a read; more are left to the next one (D8). */
const MAX_MEANWHILE = 1000

export function createWatchedRooms(deps: {
  store: PresenceStore
  /** Instances whose users count now, with one's own; undefined while that cannot be told. */
  boots(): Promise<string[] | undefined>
  /** This instance's users, who may not be written yet. */
  own(room: string): readonly Present[]
  tell(room: string, watchers: ReadonlySet<Member>, events: readonly ComingOrGoing[]): void
}): WatchedRooms {
  const { store } = deps
  const rooms = new Map<string, WatchedRoom>()
  const due = new Set<string>()
  let reread = performance.now() + REREAD_MS
  let timer: NodeJS.Timeout | undefined

  function tell(name: string, room: WatchedRoom, events: readonly ComingOrGoing[]): void {
    if (events.length > 0 && rooms.get(name) === room) deps.tell(name, room.watchers, events)
  }

  async function read(name: string, room: WatchedRoom): Promise<void> {
    if (room.meanwhile !== undefined) return
    const meanwhile: WatchedRoom['meanwhile'] = []
    room.meanwhile = meanwhile
    try {
      const boots = await deps.boots()
      if (boots === undefined) {
        due.add(name)
        return
      }
      const found = await store.read(name, boots, { most: MOST, some: 0 })
      const own = { whole: true, present: deps.own(name), gone: [] }
      const since = [...meanwhile, { boot: store.boot, change: own }]
      tell(name, room, room.view.replace(found, since))
      if (meanwhile.length >= MAX_MEANWHILE) due.add(name)
    } catch {
      due.add(name) // the store reports its trouble itself
    } finally {
      room.meanwhile = undefined
    }
  }

  function tick(): void {
    if (performance.now() > reread) {
      reread = performance.now() + REREAD_MS * (0.9 + Math.random() / 5)
      for (const name of rooms.keys()) due.add(name)
    }
    let reads = 0
    for (const name of due) {
      if (reads === READS_PER_TICK) break
      due.delete(name)
      const room = rooms.get(name)
      if (room === undefined) continue
      reads += 1
      void read(name, room)
    }
  }

  async function begin(name: string, room: WatchedRoom): Promise<void> {
    try {
      await store.subscribe(name)
    } catch {
      // It holds once the store is back, and the room is read then.
    }
    if (rooms.get(name) === room) await read(name, room)
    else if (!rooms.has(name)) void store.unsubscribe(name).catch(() => undefined)
  }

  return {
    watch(name, member) {
      const known = rooms.get(name)
      if (known !== undefined) {
        known.watchers.add(member)
        return
      }
      const room: WatchedRoom = {
        watchers: new Set([member]),
        view: createRoomView(),
        meanwhile: undefined,
      }
      rooms.set(name, room)
      timer ??= setInterval(tick, TICK_MS).unref()
      void begin(name, room)
    },
    unwatch(name, member) {
      const room = rooms.get(name)
      if (!room?.watchers.delete(member) || room.watchers.size > 0) return
      rooms.delete(name)
      void store.unsubscribe(name).catch(() => undefined) // not connected: nothing to leave
      if (rooms.size > 0) return
      clearInterval(timer)
      timer = undefined
    },
    changed(name, boot, change) {
      const room = rooms.get(name)
      if (room === undefined) return
      if (room.meanwhile !== undefined) {
        if (room.meanwhile.length < MAX_MEANWHILE) room.meanwhile.push({ boot, change })
      } else tell(name, room, room.view.apply(boot, change))
    },
    read: (name) => void due.add(name),
    readAll() {
      for (const name of rooms.keys()) due.add(name)
    },
    keepOnly(boots) {
      for (const [name, room] of rooms) tell(name, room, room.view.keepOnly(boots))
    },
    get size() {
      return rooms.size
    },
    stop: () => clearInterval(timer),
  }
}
