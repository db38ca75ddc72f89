import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { connectClient } from '../support/client.ts'
import { startGateway } from '../support/gateway-process.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

const LATE_MS = 100
const ROUNDS = 100
const TOGETHER = 16

/** A way to Redis on which only what is published is late, as after a lost packet. */
async function startLatePublications(scope: Scope, redis: RedisServer): Promise<number> {
  const proxy = createServer((client) => {
    const upstream = connect(redis.port, redis.host)
    let lateMs = 0
    client.on('data', (chunk) => {
      if (/SUBSCRIBE/i.test(chunk.toString('latin1'))) lateMs = LATE_MS
      upstream.write(chunk)
    })
    upstream.on('data', (chunk) => {
      if (lateMs === 0) client.write(chunk)
      else setTimeout(() => client.write(chunk), lateMs)
    })
    const endTogether = (one: Socket, other: Socket) => {
      one.on('error', () => undefined)
      one.on('close', () => other.destroy())
    }
    endTogether(client, upstream)
    endTogether(upstream, client)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  scope.defer(() => proxy.close())
  return (proxy.address() as AddressInfo).port
}

test('publications that come long after the replies cause no reads, and nothing comes twice', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const port = await startLatePublications(scope, redis)
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
