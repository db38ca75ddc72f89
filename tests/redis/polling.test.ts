import { expect, test } from 'vitest'
import { chat } from '../support/chat.ts'
import { type Client, type ClientOptions, connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { startHaproxy } from '../support/haproxy.ts'
import { readMetric } from '../support/metrics.ts'
import { startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

async function startPollingPair(scope: Scope) {
  const redis = await startRedis(scope)
  const start = (instance: string) =>
    startGateway(scope, {
      env: {
        REDIS_URL: redis.url(),
        INSTANCE_ID: instance,
        ENABLE_WEBSOCKET_SUPPORT: 'false',
      },
    })
  const gateways = await Promise.all([start('one'), start('two')])
  await Promise.all(gateways.map((gateway) => gateway.ready()))
  return { gateways, haproxy: await startHaproxy(scope, { backends: gateways }) }
}

/** A browser keeps the balancer's cookie by itself; this client does when told to. */
const polling: ClientOptions = { transports: ['polling'], withCredentials: true }

async function openConnections(gateways: readonly GatewayProcess[]): Promise<number> {
  const counts = gateways.map(({ url }) => readMetric(url, 'roomwire_connections'))
  return (await Promise.all(counts)).reduce((sum, count) => sum + count)
}

async function leave(gateways: readonly GatewayProcess[], clients: readonly Client[]) {
  for (const client of clients) client.close()
  const allGone = async () => (await openConnections(gateways)) === 0
  await eventually(allGone, { what: 'the end of every connection' })
}

test('ENABLE_WEBSOCKET_SUPPORT=false: the same chat over polling, two instances, cookie affinity', async () => {
  const scope = testScope()
  const { gateways, haproxy } = await startPollingPair(scope)
  const clients = await Promise.all(
    ['ann', 'ben', 'cleo', 'dan'].map((session) =>
      connectClient(scope, haproxy.url, { ...polling, session }),
    ),
  )
  const instances = await Promise.all(
    clients.map(async (client) => (await client.ask('gateway:hello', {})).instance),
  )
  expect(new Set(instances)).toEqual(new Set(['one', 'two']))

  const room = 'polled'
  for (const client of clients) await client.ask('room:join', { room })
  expect(await chat(clients, { room, seconds: 3, messagesPerSecond: 20 })).toBeGreaterThan(10)

  // Nobody had to connect again, and nobody moved.
  expect(clients.map((client) => client.received('connect').length)).toEqual([1, 1, 1, 1])
  expect(clients.map((client) => client.socket.io.engine.transport.name)).toEqual(
    clients.map(() => 'polling'),
  )
  expect(await openConnections(gateways)).toBe(4)
  await leave(gateways, clients)
})

test('ENABLE_WEBSOCKET_SUPPORT=false: a WebSocket is refused, and a client that prefers one polls', async () => {
  const scope = testScope()
  const { gateways, haproxy } = await startPollingPair(scope)
  await expect(
    connectClient(scope, haproxy.url, { transports: ['websocket'], reconnection: false }),
  ).rejects.toThrow('could not connect')

  const client = await connectClient(scope, haproxy.url, {
    ...polling,
    transports: ['websocket', 'polling'],
    tryAllTransports: true,
  })
  await client.ask('room:join', { room: 'fallen-back' })
  expect(client.socket.io.engine.transport.name).toBe('polling')
  await leave(gateways, [client])
})
