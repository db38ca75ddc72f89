import { expect, test } from 'vitest'
import { connectClient } from '../support/client.ts'
import { startInProcess } from '../support/in-process.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

const MESSAGES = 2000
const BODY_BYTES = 100

/** What docs/OPERATIONS.md says under Sizing; bytes of Redis' memory. */
const DOCUMENTED = { logOverhead: 160, dedup: 230 }

test('a message takes as much memory of Redis as the documentation says', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const { url } = await startInProcess(scope, { WEBSOCKET_REDIS_URL: redis.url() })
  const client = await connectClient(scope, url, { name: 'Somebody' })
  await client.ask('room:join', { room: 'sizing' })
  const used = async () => {
    const memory = await redis.cli('INFO', 'memory')
    const of = (field: string) => Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(memory)?.[1])
    // Buffers of connections come and go.
    return of('used_memory_dataset') + of('used_memory_overhead') - of('mem_clients_normal')
  }
  const logSize = async () =>
    Number(await redis.cli('MEMORY', 'USAGE', 'roomwire:{sizing}:log', 'SAMPLES', '0'))
  // Ids as browsers make them.
  async function fill(): Promise<void> {
    for (let sent = 0; sent < MESSAGES; sent += 100) {
      await Promise.all(
        Array.from({ length: 100 }, () => {
          const id = crypto.randomUUID()
          return client.ask('room:send', { room: 'sizing', id, body: 'x'.repeat(BODY_BYTES - 2) })
        }),
      )
    }
  }
  await fill() // what scripts and connections take once is taken
  const before = { used: await used(), log: await logSize() }
  await fill()
  const log = (await logSize()) - before.log
  const logOverhead = log / MESSAGES - BODY_BYTES
  const dedup = ((await used()) - before.used - log) / MESSAGES
  console.info(JSON.stringify({ scenario: 'sizing', logOverhead, dedup }))
  expect(logOverhead).toBeGreaterThan(DOCUMENTED.logOverhead * 0.8)
  expect(logOverhead).toBeLessThan(DOCUMENTED.logOverhead * 1.2)
  expect(dedup).toBeGreaterThan(DOCUMENTED.dedup * 0.8)
  expect(dedup).toBeLessThan(DOCUMENTED.dedup * 1.2)
})
