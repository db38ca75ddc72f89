import { randomUUID } from 'node:crypto'
import type { PresenceListener, PresenceStore, Present, RoomPresence } from '../rooms/presence.ts'
import type { MemoryStore } from './memory-store.ts'

interface Shared {
  leases: Map<string, { instance: string; at: number; ends: number }>
  /** Users by room and boot. */
  rooms: Map<string, Map<string, Map<string, Present>>>
  stores: Set<{ subscribed: ReadonlySet<string>; listener: PresenceListener | undefined }>
}

/** By store, so that brokers over one find each other. */
const shares = new WeakMap<MemoryStore, Shared>()

/** The presence of the instances in this process that share a store. */
export function createMemoryPresence(
  store: MemoryStore,
  instance: string,
  now: () => number = Date.now,
): PresenceStore & { stop(): void } {
  const shared: Shared = shares.get(store) ?? {
    leases: new Map(),
    rooms: new Map(),
    stores: new Set(),
  }
  shares.set(store, shared)
  const boot = randomUUID()
  const subscribed = new Set<string>()
  const self = { subscribed, listener: undefined as PresenceListener | undefined }
  shared.stores.add(self)

  function forget(ended: string): void {
    for (const [name, room] of shared.rooms) {
      if (room.delete(ended) && room.size === 0) shared.rooms.delete(name)
    }
  }

  return {
    boot,
    async leases(renewMs) {
      const time = now()
      const held = (shared.leases.get(boot)?.ends ?? 0) > time
      if (renewMs !== undefined)
        shared.leases.set(boot, { instance, at: time, ends: time + renewMs })
      const ended: string[] = []
      for (const [name, { ends }] of shared.leases) {
        if (name === boot || ends > time) continue
        shared.leases.delete(name)
        forget(name)
        ended.push(name)
      }
      const others = [...shared.leases].flatMap(([name, lease]) =>
        name === boot
          ? []
          : [
              {
                boot: name,
                instance: lease.instance,
                ageMs: time - lease.at,
                remainingMs: lease.ends - time,
              },
            ],
      )
      return { held, others, ended }
    },
    async end(ms) {
      shared.leases.set(boot, { instance: '', at: now(), ends: now() + ms })
    },
    async write(name, change) {
      const room = shared.rooms.get(name) ?? new Map<string, Map<string, Present>>()
      const users = new Map(change.whole ? [] : room.get(boot))
      for (const id of change.gone) users.delete(id)
      for (const each of change.present) users.set(each.user.id, each)
      if (users.size > 0) room.set(boot, users)
      else room.delete(boot)
      if (room.size > 0) shared.rooms.set(name, room)
      else shared.rooms.delete(name)
      for (const { subscribed, listener } of [...shared.stores]) {
        if (subscribed.has(name)) listener?.changed(name, boot, change)
      }
    },
    keep: async () => [],
    async read(name, boots, { most, some }): Promise<RoomPresence> {
      const users = boots.flatMap((each) => {
        const found = shared.rooms.get(name)?.get(each)
        return found === undefined ? [] : [{ boot: each, present: [...found.values()] }]
      })
      const total = users.reduce((sum, { present }) => sum + present.length, 0)
      const whole = total <= most
      const ids = users.flatMap(({ present }) => present.map(({ user }) => user.id))
      return {
        whole,
        count: new Set(ids).size,
        users: whole
          ? users
          : users.map((each) => ({ ...each, present: each.present.slice(0, some) })),
      }
    },
    async subscribe(room) {
      subscribed.add(room)
    },
    async unsubscribe(room) {
      subscribed.delete(room)
    },
    listen(listener) {
      self.listener = listener
    },
    stop: () => void shared.stores.delete(self),
  }
}
