import { expect, test } from 'vitest'
import { createMemoryDirectory } from '../../server/broker/memory-directory.ts'
import { createMemoryStore } from '../../server/broker/memory-store.ts'
import { summaryOf } from '../support/instance-summary.ts'
import { describeInstanceDirectory } from './instance-directory.ts'

describeInstanceDirectory('memory', async () => {
  const store = createMemoryStore()
  return { a: createMemoryDirectory(store), b: createMemoryDirectory(store) }
})

test('instances that are not renewed for a minute are forgotten', async () => {
  const store = createMemoryStore()
  let now = 0
  const directory = createMemoryDirectory(store, () => now)
  await directory.exchange(summaryOf('one'))
  now = 60_000
  expect(await directory.exchange(summaryOf('two'))).toHaveLength(2)
  now = 60_001
  expect(await directory.exchange(summaryOf('two'))).toHaveLength(1)
})
