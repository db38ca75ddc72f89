import { randomUUID } from 'node:crypto'
import { onTestFinished } from 'vitest'
import { createMemoryLog, createMemoryStore } from '../../server/broker/memory.ts'
import { describeMessageLog } from './message-log.ts'

describeMessageLog('memory', async ({ dedupWindowMs = 600_000, contentWindowMs = 0 } = {}) => {
  const store = createMemoryStore()
  const retention = { logMax: 10_000, logTtlMs: 3_600_000, dedupWindowMs, contentWindowMs }
  const make = () => createMemoryLog(store, retention, { newEpoch: randomUUID })
  const [a, b] = [make(), make()]
  onTestFinished(() => {
    a.stop()
    b.stop()
  })
  return {
    a,
    b,
    async trimTo(room, offset) {
      const stored = store.rooms.get(room)
      if (stored) stored.entries = stored.entries.filter((entry) => entry.offset > offset)
    },
    async forget(room) {
      store.rooms.delete(room)
    },
  }
})
