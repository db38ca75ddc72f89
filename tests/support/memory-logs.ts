import { createMemoryLog } from '../../server/broker/memory.ts'
import { createMemoryStore } from '../../server/broker/memory-store.ts'

/** One memory store, as Redis is one for instances, and logs over it; epochs are counted: `epoch1`, … */
export function createMemoryLogs() {
  const store = createMemoryStore()
  let epochs = 0
  const open = () =>
    createMemoryLog(
      store,
      { logMax: 1000, logTtlMs: 3_600_000, dedupWindowMs: 600_000 },
      { newEpoch: () => `epoch${++epochs}` },
    )
  return { store, open }
}
