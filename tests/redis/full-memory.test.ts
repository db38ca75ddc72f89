import { expect, test } from 'vitest'
import type { SendReply } from '../../server/protocol.ts'
import { connectClient } from '../support/client.ts'
import { startGateway } from '../support/gateway-process.ts'
import { testScope } from '../support/test-scope.ts'

test('D8: without Redis a flood of messages is refused when the memory for rooms is full, and ends nothing', async () => {
  const scope = testScope()
  const gateway = await startGateway(scope, { nodeArgs: ['--max-old-space-size=120'] })
  const client = await connectClient(scope, gateway.url)
  const body = 'x'.repeat(60_000)
  const send = (n: number) => client.request('room:send', { room: `r${n % 50}`, id: `${n}`, body })
  const codes = new Map<string, number>()
  let stored = 0
  for (let n = 0; n < 3000; n += 50) {
    const replies = await Promise.all(Array.from({ length: 50 }, (_, index) => send(n + index)))
    for (const reply of replies) {
      const code = reply.ok ? 'stored' : `${reply.error.code} ${reply.error.retryable}`
      codes.set(code, (codes.get(code) ?? 0) + 1)
      if (reply.ok) stored += 1
    }
  }
  // 3,000 of them would be 180 MB.
  expect([...codes.keys()].sort()).toEqual(['UNAVAILABLE true', 'stored'])
  expect(stored).toBeGreaterThan(100)
  await gateway.waitForLog(({ msg }) => msg.startsWith('the memory for rooms is full'))
  // What was acknowledged is there, and a repeat of it still is one.
  const repeat = (await send(0)) as SendReply & { ok: boolean }
  expect(repeat).toMatchObject({ ok: true, duplicate: true })
  const joined = await client.ask('room:join', { room: 'r0', limit: 1000 })
  expect(joined.position.offset).toBe(joined.messages.length)
  expect(gateway.running).toBe(true)
})
