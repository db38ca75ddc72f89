import { beforeAll, expect, test } from 'vitest'
import type { WireError } from '../../server/errors.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { type InProcessGateway, startInProcess } from '../support/in-process.ts'
import { createIssuer, type Issuer } from '../support/issuer.ts'
import { startRedis } from '../support/redis-server.ts'
import { refusalOf } from '../support/refusal.ts'
import { testScope } from '../support/test-scope.ts'

const scope = testScope()
const claims = { roomwire: { rooms: ['*'] } }
let issuer: Issuer
let gateways: InProcessGateway[]

beforeAll(async () => {
  const redis = await startRedis(scope)
  issuer = await createIssuer(scope)
  const start = () =>
    startInProcess(scope, {
      ...issuer.env,
      REDIS_URL: redis.url(),
      LIMIT_CONNECTION_SENDS: '20/10s',
      LIMIT_USER_SENDS: '60/60s',
      LIMIT_CONNECTION_JOINS: '10/10s',
      LIMIT_CONNECTION_BYTES: '64KiB/10s',
      LIMIT_REFUSALS: '15/10s',
    })
  gateways = await Promise.all([start(), start(), start()])
}, 60_000)

const connect = async (sub: string, index = 0) =>
  connectClient(scope, gateways[index]?.url ?? '', {
    token: await issuer.token({ ...claims, sub }),
    reconnection: false,
  })

test('who sends too much is told when to try again, then sent away and kept out', async () => {
  const client = await connect('flooder')
  const errors: WireError[] = []
  let accepted = 0
  let number = 0
  while (client.socket.connected && number < 200) {
    number += 1
    const message = { room: 'r', id: `${number}`, body: 1 }
    const reply = await client.request('room:send', message, 5000).catch(() => undefined)
    if (reply?.ok) accepted += 1
    else if (reply) errors.push(reply.error)
  }
  expect(accepted).toBe(20)
  expect(errors.length).toBeGreaterThanOrEqual(15)
  for (const error of errors) {
    expect(error).toMatchObject({ code: 'RATE_LIMITED', retryable: true })
    expect(error.retryAfterMs).toBeGreaterThan(0)
    expect(error.retryAfterMs).toBeLessThanOrEqual(10_000)
  }
  expect(client.received('gateway:bye')).toEqual([
    { code: 'ABUSE', reconnect: true, retryAfterMs: 30_000 },
  ])
  const token = await issuer.token({ ...claims, sub: 'flooder' })
  expect(await refusalOf(scope, gateways[0]?.url ?? '', { auth: { token } })).toBe('RATE_LIMITED')
})

test('a user’s limit is that of all instances together', async () => {
  const clients = await Promise.all([0, 1, 2].map((index) => connect('everywhere', index)))
  // 20 each, which no connection may exceed, are as many as the user may send.
  const send = (round: string) =>
    Promise.all(
      clients.flatMap((client, index) =>
        Array.from({ length: 20 }, (_, number) =>
          client.request('room:send', { room: 'r', id: `${round}${index}-${number}`, body: 1 }),
        ),
      ),
    )
  expect((await send('a')).filter(({ ok }) => ok)).toHaveLength(60)
  const late = await connect('everywhere', 1)
  const room = 'r'
  await eventually(async () => {
    const reply = await late.request('room:send', { room, id: `${Math.random()}`, body: 1 })
    return !reply.ok && reply.error.message.endsWith('of one user')
  })
})

test('joins, and bytes of what is no request, count as well', async () => {
  const reader = await connect('reader')
  const replies = await Promise.all(
    Array.from({ length: 12 }, () => reader.request('room:history', { room: 'r' })),
  )
  expect(replies.filter(({ ok }) => !ok)).toHaveLength(2)
  const noisy = await connect('noisy')
  for (let number = 0; number < 40; number += 1) noisy.socket.emit('noise', 'x'.repeat(8000))
  await noisy.next('disconnect')
  expect(noisy.received('gateway:bye')).toMatchObject([{ code: 'ABUSE' }])
})
