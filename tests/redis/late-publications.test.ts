import { expect, test } from 'vitest'
import { connectClient } from '../support/client.ts'
import { startGateway } from '../support/gateway-process.ts'
import { startRedis } from '../support/redis-server.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { testScope } from '../support/test-scope.ts'

const LATE_MS = 100
const ROUNDS = 100
const TOGETHER = 16

test('publications that come long after the replies cause no reads, and nothing comes twice', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const { port, late } = await startTcpProxy(scope, { target: redis })
  // Only what is published, as after a lost packet.
  late({ ms: LATE_MS, after: /SUBSCRIBE/i })
  const gateway = await startGateway(scope, { env: { REDIS_URL: `redis://127.0.0.1:${port}` } })
  await gateway.ready()
  const [sender, member] = [
    await connectClient(scope, gateway.url),
    await connectClient(scope, gateway.url),
  ]
  await member.ask('room:join', { room: 'r' })
  /** Reads of rooms' logs, as Redis counts them. */
  const reads = async () => {
    const stats = await redis.cli('INFO', 'commandstats')
    return Number(/^cmdstat_xrange:calls=(\d+)/m.exec(stats)?.[1] ?? 0)
  }

  const before = await reads()
  for (let round = 0; round < ROUNDS; round += 1) {
    const send = (index: number) =>
      sender.ask('room:send', { room: 'r', id: `${round}-${index}`, body: index })
    await Promise.all(Array.from({ length: TOGETHER }, (_, index) => send(index)))
  }
  await new Promise((resolve) => setTimeout(resolve, 3 * LATE_MS))
  // The room may be checked now and then.
  expect((await reads()) - before).toBeLessThan(5)
  const heard = member.messages('r').map(({ offset }) => offset)
  expect(heard).toEqual(Array.from({ length: ROUNDS * TOGETHER }, (_, index) => index + 1))
})
