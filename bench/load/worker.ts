import type { LoadApi } from './api.ts'
import { createMembers } from './members.ts'
import { appendCeiling } from './redis-ceiling.ts'
import { pingRedis } from './redis-round-trips.ts'
import { createReturning } from './returning.ts'
import { createSenders } from './senders.ts'

// A load process: does what its parent asks by messages, and ends with it.
const api: LoadApi = {
  ...createMembers(),
  ...createSenders(),
  ...createReturning(),
  pingRedis,
  appendCeiling,
}

export interface Call {
  id: number
  name: keyof LoadApi
  args: unknown[]
}

process.on('disconnect', () => process.exit(0))
process.on('message', async ({ id, name, args }: Call) => {
  try {
    const result = await (api[name] as (...args: unknown[]) => unknown)(...args)
    process.send?.({ id, result })
  } catch (error) {
    process.send?.({ id, error: (error as Error).stack ?? String(error) })
  }
})
process.send?.('ready')
