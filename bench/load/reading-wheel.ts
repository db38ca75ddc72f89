/** Lets connections read once in a period each, spread evenly over it. */
export interface ReadingWheel {
  /** `read` is called once in every period until the returned function is. */
  add(read: () => void): () => void
}

const STEP_MS = 5

export function createReadingWheel(periodMs: number): ReadingWheel {
  const slots = Array.from({ length: Math.ceil(periodMs / STEP_MS) }, () => new Set<() => void>())
  let added = 0
  let turned = 0
  const started = performance.now()

  setInterval(() => {
    const due = Math.floor((performance.now() - started) / STEP_MS)
    // After a long pause each slot has its turn once.
    for (turned = Math.max(turned, due - slots.length); turned < due; turned += 1) {
      for (const read of slots[turned % slots.length] ?? []) read()
    }
  }, STEP_MS).unref()

  return {
    add(read) {
      const slot = slots[added % slots.length]
      added += 1
      slot?.add(read)
      return () => void slot?.delete(read)
    },
  }
}
