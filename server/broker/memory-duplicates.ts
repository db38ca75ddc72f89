import {
  DUPLICATE_CAUSES,
  type DuplicateCause,
  type DuplicateStore,
  noDuplicates,
} from '../observability/duplicate-store.ts'
import type { MemoryStore } from './memory-store.ts'

interface Counted {
  counts: Record<DuplicateCause, number>
  boot: string
  sequence: number
}

/** By store, so that brokers over one add up together. */
const totals = new WeakMap<MemoryStore, Map<string, Counted>>()

/** What the instances of this process that share a store suppressed, for as long as it lives. */
export function createMemoryDuplicates(store: MemoryStore): DuplicateStore {
  const shared = totals.get(store) ?? new Map<string, Counted>()
  totals.set(store, shared)
  return {
    async add({ instance, boot, sequence }, counts) {
      const own = shared.get(instance) ?? { counts: noDuplicates(), boot, sequence: 0 }
      shared.set(instance, own)
      if (own.boot !== boot || sequence > own.sequence) {
        for (const cause of DUPLICATE_CAUSES) own.counts[cause] += counts[cause]
        const counted = DUPLICATE_CAUSES.some((cause) => counts[cause] > 0)
        if (counted) Object.assign(own, { boot, sequence })
      }
      const cluster = noDuplicates()
      for (const each of shared.values()) {
        for (const cause of DUPLICATE_CAUSES) cluster[cause] += each.counts[cause]
      }
      return { own: { ...own.counts }, cluster }
    },
  }
}
