import { expect, test } from 'vitest'
import { chat } from '../support/chat.ts'
import { type Client, connectClient } from '../support/client.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { startHaproxy } from '../support/haproxy.ts'
import { readMetric } from '../support/metrics.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

// It holds what ends a URL's password early (/), what forms decode (+), and padding (=).
const PASSWORD = '80u7dxerdVK+ZaKp2drp76OKtH0O1EYXLwebTQ/q7mA='
const CHAT_SECONDS = Number(process.env['ROOMWIRE_CHAT_SECONDS'] ?? 3)

async function startTwo(scope: Scope, redis: RedisServer): Promise<GatewayProcess[]> {
  const gateways = await Promise.all(
    ['one', 'two'].map((instance) =>
      startGateway(scope, {
        // Raw, as people paste it.
        env: { REDIS_URL: `redis://:${PASSWORD}@127.0.0.1:${redis.port}/0`, INSTANCE_ID: instance },
      }),
    ),
  )
  await Promise.all(gateways.map((gateway) => gateway.ready()))
  return gateways
}

const instanceOf = async (client: Client) => (await client.ask('gateway:hello', {})).instance

const redisErrors = async (gateways: readonly GatewayProcess[]) =>
  Promise.all(gateways.map(({ url }) => readMetric(url, 'roomwire_redis_errors_total')))

test('two instances behind HAProxy share rooms through a Redis whose password stands raw in REDIS_URL', {
  timeout: (CHAT_SECONDS + 60) * 1000,
}, async () => {
  const scope = testScope()
  const redis = await startRedis(scope, { requirepass: PASSWORD })
  const gateways = await startTwo(scope, redis)
  const haproxy = await startHaproxy(scope, { backends: gateways })
  expect(await redis.cliAs({}, 'PING')).toMatch(/^NOAUTH/)

  const ann = await connectClient(scope, haproxy.url, { session: 'ann', name: 'Ann' })
  const ben = await connectClient(scope, haproxy.url, { session: 'ben', name: 'Ben' })
  expect(new Set([await instanceOf(ann), await instanceOf(ben)])).toEqual(new Set(['one', 'two']))

  const room = 'lobby'
  await ann.ask('room:join', { room })
  await ben.ask('room:join', { room })
  await ann.ask('room:send', { room, id: 'first', body: { text: 'across' } })
  expect(await ben.next('room:message')).toMatchObject({
    room,
    offset: 1,
    id: 'first',
    from: { name: 'Ann' },
    body: { text: 'across' },
  })

  const sent = await chat([ann, ben], { room, seconds: CHAT_SECONDS })
  expect(sent).toBeGreaterThan(CHAT_SECONDS)
  for (const gateway of gateways) {
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200)
  }
  expect(await redisErrors(gateways)).toEqual([0, 0])
  const output = gateways.flatMap((gateway) => gateway.output).join('\n')
  expect(output).not.toContain(PASSWORD)
  expect(output).not.toContain(encodeURIComponent(PASSWORD))
})
