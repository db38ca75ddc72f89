import { LRUCache } from 'lru-cache'
import type { Lifetime } from './store.ts'

/** A value in this process' memory. It is shared by all who ask: read-only. */
export interface Kept {
  value: unknown
  fresh: boolean
}

/** The first level: bounded by size, the least recently used goes first (D8). */
export interface MemoryLevel {
  /** Undefined where there is none, or only one that is too old to be served. */
  get(key: string): Kept | undefined
  /** @param text the JSON text of `value`, for its size */
  set(key: string, value: unknown, text: string, lifetime: Lifetime): void
  delete(key: string): void
  clear(): void
  readonly entries: number
  readonly bytes: number
}

/** Longer values are computed, and handed over between instances, but not kept here. */
const MAX_VALUE_SHARE = 1 / 8
/** What an entry takes beside its value, about. */
const ENTRY_BYTES = 200

export function createMemoryLevel(
  maxBytes: number,
  now: () => number = () => performance.now(),
): MemoryLevel {
  const entries = new LRUCache<string, { value: unknown; freshUntil: number; keptUntil: number }>({
    maxSize: maxBytes,
    maxEntrySize: Math.floor(maxBytes * MAX_VALUE_SHARE),
  })
  return {
    get(key) {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      const at = now()
      if (at < entry.freshUntil) return { value: entry.value, fresh: true }
      if (at < entry.keptUntil) return { value: entry.value, fresh: false }
      entries.delete(key)
      return undefined
    },
    set(key, value, text, { ttlMs, staleMs }) {
      const freshUntil = now() + ttlMs
      const entry = { value, freshUntil, keptUntil: freshUntil + staleMs }
      entries.set(key, entry, { size: ENTRY_BYTES + 2 * (key.length + text.length) })
    },
    delete: (key) => void entries.delete(key),
    clear: () => entries.clear(),
    get entries() {
      return entries.size
    },
    get bytes() {
      return entries.calculatedSize
    },
  }
}
