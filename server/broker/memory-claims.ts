import type { Claiming, ClaimStore } from '../rooms/claims.ts'
import type { MemoryStore } from './memory-store.ts'

interface Held {
  holder: string
  done: boolean
  ends: number
}

/** By store, so that brokers over one find each other. */
const shares = new WeakMap<MemoryStore, Map<string, Held>>()

const SWEEP_EVERY = 1000

/** The claims of the instances in this process that share a store. */
export function createMemoryClaims(store: MemoryStore, now: () => number = Date.now): ClaimStore {
  const claims = shares.get(store) ?? new Map<string, Held>()
  shares.set(store, claims)
  let sinceSweep = 0

  const keyOf = ({ room, group, id }: Pick<Claiming, 'room' | 'group' | 'id'>) =>
    JSON.stringify([room, group, id])

  function current(key: string): Held | undefined {
    const held = claims.get(key)
    return held !== undefined && held.ends > now() ? held : undefined
  }

  /** What ended is nobody's; D8: it does not stay for ever. */
  function sweep(): void {
    sinceSweep = 0
    for (const [key, { ends }] of claims) if (ends <= now()) claims.delete(key)
  }

  return {
    async claim(claim) {
      const key = keyOf(claim)
      const held = current(key)
      if (held !== undefined && held.holder !== claim.holder) {
        return { won: false, done: held.done, remainingMs: held.ends - now() }
      }
      const done = claim.done || (held?.done ?? false)
      claims.set(key, { holder: claim.holder, done, ends: now() + claim.leaseMs })
      sinceSweep += 1
      if (sinceSweep >= SWEEP_EVERY) sweep()
      return { won: true, done, remainingMs: claim.leaseMs }
    },
    async release(claim) {
      const key = keyOf(claim)
      const held = current(key)
      if (held === undefined || held.holder !== claim.holder || held.done) return false
      return claims.delete(key)
    },
  }
}
