import type { Entry } from './message-log.ts'

/** Bytes of content that all rings of an instance may hold together, and what is held now (D8). */
export interface RingBudget {
  readonly maxBytes: number
  usedBytes: number
}

/** The most recent entries of one room, contiguous, oldest first. */
export interface Ring {
  /** Offset below which nothing is held: entries start at `floor + 1`. */
  readonly floor: number
  readonly size: number
  /** Adds the next entry; its offset must follow the last one's. */
  push(entry: Entry): void
  /** Forgets everything; the next entry will be `floor + 1`. */
  reset(floor: number): void
  /** The entry at an offset, if it is held. */
  at(offset: number): Entry | undefined
  /** Holds an entry that differs in its labels in place of the one at its offset. */
  replace(entry: Entry): void
  /** All entries above an offset that is not below `floor`. */
  after(offset: number): Entry[]
  last(count: number): Entry[]
  /** `at` of the entry at an offset, as far as it is known from the entry itself or its successor. */
  atOf(offset: number): number | undefined
}

/** Bounded by count, and by the instance's budget: beyond it a ring keeps nothing. */
export function createRing(capacity: number, budget: RingBudget): Ring {
  let entries: Entry[] = []
  let floor = 0

  function dropOldest(): void {
    const dropped = entries.shift()
    if (dropped === undefined) return
    floor = dropped.offset
    budget.usedBytes -= dropped.content.length
  }

  return {
    get floor() {
      return floor
    },
    get size() {
      return entries.length
    },
    push(entry) {
      if (entry.offset !== floor + entries.length + 1) {
        throw new Error(`ring: offset ${entry.offset} does not follow ${floor + entries.length}`)
      }
      entries.push(entry)
      budget.usedBytes += entry.content.length
      if (entries.length > capacity) dropOldest()
      while (budget.usedBytes > budget.maxBytes && entries.length > 0) dropOldest()
    },
    reset(newFloor) {
      for (const entry of entries) budget.usedBytes -= entry.content.length
      entries = []
      floor = newFloor
    },
    at: (offset) => entries[offset - floor - 1],
    replace(entry) {
      entries[entry.offset - floor - 1] = entry
    },
    after(offset) {
      return entries.slice(Math.max(0, offset - floor))
    },
    last(count) {
      return count === 0 ? [] : entries.slice(-count)
    },
    atOf(offset) {
      if (offset === 0) return 0
      return entries[offset - floor - 1]?.at ?? entries[offset - floor]?.prevAt
    },
  }
}
