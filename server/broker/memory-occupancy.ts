import type { OccupancyStore } from '../rooms/occupancy.ts'
import type { PresenceStore } from '../rooms/presence.ts'
import type { MemoryStore } from './memory-store.ts'

interface Shared {
  occupied: Set<string>
  noted: Map<string, Set<string>>
}

/** By store, so that brokers over one find each other. */
const shares = new WeakMap<MemoryStore, Shared>()

/** The occupancy of the rooms of the instances in this process that share a store. */
export function createMemoryOccupancy(store: MemoryStore, presence: PresenceStore): OccupancyStore {
  const shared = shares.get(store) ?? { occupied: new Set(), noted: new Map() }
  shares.set(store, shared)
  return {
    async note(room, occupied) {
      const own = shared.noted.get(presence.boot) ?? new Set()
      shared.noted.set(presence.boot, own)
      if (occupied) own.add(room)
      else own.delete(room)
    },
    async take(boot) {
      const rooms = [...(shared.noted.get(boot) ?? [])]
      shared.noted.delete(boot)
      return rooms
    },
    async check(room, boots) {
      const { count } = await presence.read(room, boots, { most: 0, some: 0 })
      if (count > 0 === shared.occupied.has(room)) return undefined
      if (count > 0) shared.occupied.add(room)
      else shared.occupied.delete(room)
      return count > 0 ? 'occupied' : 'vacated'
    },
  }
}
