import { createMemoryStore } from '../../server/broker/memory.ts'
import { createMemoryDuplicates } from '../../server/broker/memory-duplicates.ts'
import { describeDuplicateStore } from './duplicate-store.ts'

describeDuplicateStore('memory', async () => {
  const store = createMemoryStore()
  return { a: createMemoryDuplicates(store), b: createMemoryDuplicates(store) }
})
