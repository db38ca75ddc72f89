import { expect, test } from 'vitest'
import { createMemorySessions } from '../../server/broker/memory-sessions.ts'
import { createMemoryStore } from '../../server/broker/memory-store.ts'
import { describeSessionStore } from './session-store.ts'

describeSessionStore('memory', async () => {
  const store = createMemoryStore()
  return { a: createMemorySessions(store), b: createMemorySessions(store) }
})

test('an end is remembered for an hour', async () => {
  let now = 0
  const home = { instance: 'one', boot: 'b' }
  const sessions = createMemorySessions(createMemoryStore(), () => now)
  await sessions.opened('s', 'c1', home)
  await sessions.closed('s', 'c1', home, 'drain')
  now += 3_600_001
  expect((await sessions.opened('s', 'c2', home)).former).toBeUndefined()
  await sessions.closed('s', 'c2', home, 'drain')
  now += 3_600_000
  expect((await sessions.opened('s', 'c3', home)).former?.at).toBe(3_600_001)
})
