import { onTestFinished } from 'vitest'
import { createMemoryPresence } from '../../server/broker/memory-presence.ts'
import { createMemoryStore } from '../../server/broker/memory-store.ts'
import { describePresenceStore } from './presence-store.ts'

describePresenceStore('memory', async () => {
  const store = createMemoryStore()
  const names = { a: 'one', b: 'two' }
  const [a, b] = [createMemoryPresence(store, names.a), createMemoryPresence(store, names.b)]
  onTestFinished(() => {
    a.stop()
    b.stop()
  })
  return { a, b, names }
})
