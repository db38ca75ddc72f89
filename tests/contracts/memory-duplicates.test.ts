import { createMemoryDuplicates } from '../../server/broker/memory-duplicates.ts'
import { createMemoryStore } from '../../server/broker/memory-store.ts'
import { describeDuplicateStore } from './duplicate-store.ts'

describeDuplicateStore('memory', async () => {
  const store = createMemoryStore()
  return { a: createMemoryDuplicates(store), b: createMemoryDuplicates(store) }
})
