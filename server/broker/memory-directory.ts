import {
  type InstanceDirectory,
  type InstanceSummary,
  KEEP_MS,
} from '../observability/directory.ts'
import type { MemoryStore } from './memory-store.ts'

/** By store, so that brokers over one find each other. */
const directories = new WeakMap<
  MemoryStore,
  Map<string, { summary: InstanceSummary; at: number }>
>()

/** The directory of the instances in this process that share a store. */
export function createMemoryDirectory(
  store: MemoryStore,
  now: () => number = Date.now,
): InstanceDirectory {
  const shared = directories.get(store) ?? new Map()
  directories.set(store, shared)
  return {
    async exchange(own) {
      shared.set(own.boot, { summary: structuredClone(own), at: now() })
      for (const [boot, { at }] of shared) if (now() - at > KEEP_MS) shared.delete(boot)
      return [...shared.values()].map(({ summary, at }) => ({ summary, ageMs: now() - at }))
    },
  }
}
