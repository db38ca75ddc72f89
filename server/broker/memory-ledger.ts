import type { UserLedger } from '../session/user-ledger.ts'
import type { MemoryStore } from './memory-store.ts'

interface Shared {
  places: Map<string, Set<string>>
  /** Amounts, with when each is forgotten; oldest first. */
  used: Map<string, { amount: number; until: number }>
}

const shared = new WeakMap<MemoryStore, Shared>()

/** The ledger of the instances in this process that share a store: no lease outlives the process. */
export function createMemoryLedger(store: MemoryStore, now: () => number = Date.now): UserLedger {
  const all: Shared = shared.get(store) ?? { places: new Map(), used: new Map() }
  shared.set(store, all)

  function hold(user: string, connection: string): void {
    const held = all.places.get(user) ?? new Set()
    all.places.set(user, held.add(connection))
  }

  function forgetOld(): void {
    for (const [key, { until }] of all.used) if (until <= now()) all.used.delete(key)
  }

  return {
    async take(user, connection, max) {
      const held = all.places.get(user)
      if (held !== undefined && !held.has(connection) && held.size >= max) return false
      hold(user, connection)
      return true
    },
    async renew(leases) {
      for (const { user, connection } of leases) hold(user, connection)
    },
    async give({ user, connection }) {
      const held = all.places.get(user)
      if (held?.delete(connection) && held.size === 0) all.places.delete(user)
    },
    async use(uses) {
      forgetOld()
      return uses.map(({ user, what, amount, keepMs }) => {
        const key = `${what} ${user}`
        const total = (all.used.get(key)?.amount ?? 0) + amount
        all.used.set(key, { amount: total, until: now() + keepMs })
        return total
      })
    },
  }
}
