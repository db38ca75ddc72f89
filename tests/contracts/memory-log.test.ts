import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createMemoryLog } from '../../server/broker/memory.ts'
import { createMemoryStore } from '../../server/broker/memory-store.ts'
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

test('D8 a room that was only asked about is soon forgotten, one in use or with messages is not', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const store = createMemoryStore()
  const retention = { logMax: 10, logTtlMs: 3_600_000, dedupWindowMs: 1000 }
  const log = createMemoryLog(store, retention, { newEpoch: randomUUID })
  onTestFinished(() => log.stop())
  for (const room of ['asked about', 'in use']) await log.read(room, { kind: 'last', limit: 1 })
  await log.subscribe('in use')
  await log.append({ room: 'with messages', sender: 's', id: '1', content: '1' })
  await vi.advanceTimersByTimeAsync(120_000)
  expect([...store.rooms.keys()]).toEqual(['in use', 'with messages'])
})

test('D8: a store that is full takes nothing new, knows its repeats, and has room again after a purge', async () => {
  let refused = 0
  const full = () => {
    refused += 1
  }
  const store = createMemoryStore(100_000)
  const retention = { logMax: 10_000, logTtlMs: 3_600_000, dedupWindowMs: 600_000 }
  const log = createMemoryLog(store, retention, { newEpoch: randomUUID, full })
  onTestFinished(() => log.stop())
  const content = 'x'.repeat(10_000)
  const append = (id: string) => log.append({ room: 'r', sender: 's', id, content })
  let stored = 0
  while (await append(`${stored}`).catch(() => undefined)) stored += 1
  expect(stored).toBe(9)
  expect(refused).toBe(1)
  await expect(append('more')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(await append('3')).toMatchObject({ duplicate: true })
  expect((await log.read('r', { kind: 'last', limit: 100 })).entries).toHaveLength(9)
  await log.purge('r')
  expect(await append('more')).toMatchObject({ duplicate: false })
  expect(store.bytes).toBeLessThan(15_000)
})
