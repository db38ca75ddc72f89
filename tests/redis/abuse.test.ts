import { beforeAll, expect, test } from 'vitest'
import type { WireError } from '../../server/errors.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { type InProcessGateway, startInProcess } from '../support/in-process.ts'
import { createIssuer, type Issuer } from '../support/issuer.ts'
import { connectRaw } from '../support/raw-connection.ts'
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
    startInProcess(
      scope,
      {
        ...issuer.env,
        REDIS_URL: redis.url(),
        LIMIT_CONNECTION_SENDS: '20/10s',
        LIMIT_USER_SENDS: '60/60s',
        LIMIT_CONNECTION_JOINS: '10/10s',
        LIMIT_CONNECTION_BYTES: '64KiB/10s',
        LIMIT_CONNECTION_PACKETS: '50/10s',
        LIMIT_REFUSALS: '15/10s',
      },
      { namespaces: { '/app': (socket) => socket.on('say', (reply) => reply('heard')) } },
    )
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

test('what is no valid request counts like any other', async () => {
  const client = await connect('careless')
  const codes: string[] = []
  for (let number = 0; number < 30; number += 1) {
    const reply = await client.request('room:send', { room: 'r', nonsense: number })
    codes.push(reply.ok ? 'ok' : reply.error.code)
  }
  expect(codes).toEqual([...Array(20).fill('BAD_REQUEST'), ...Array(10).fill('RATE_LIMITED')])
})

test.each([
  ['the namespace written out', '2/,1["room:send",{"room":"r","id":"1","body":1}]'],
  ['a space', '21[ "room:send",{"room":"r","id":"1","body":1}]'],
  ['an escape', '21["room\\u003asend",{"room":"r","id":"1","body":1}]'],
  ['a long id', `2${'0'.repeat(200)}1["room:send",{"room":"r","id":"1","body":1}]`],
  ['requests that no limit is for', '21["room:leave",{"room":"r"}]'],
  ['events that nobody knows', '21["noise",1]'],
  ['acknowledgements of nothing', '31[1]'],
])('a flood in disguise ends as well: %s', async (how, packet) => {
  const connection = await connectRaw(scope, gateways[0]?.url ?? '')
  connection.socket.send(
    `40${JSON.stringify({ token: await issuer.token({ ...claims, sub: how }) })}`,
  )
  await connection.packet(/^40/)
  for (let number = 0; number < 100; number += 1) connection.socket.send(`4${packet}`)
  await eventually(() => !connection.open, { what: 'its end' })
  expect(await connection.packet(/^42\["gateway:bye"/)).toContain('ABUSE')
})

test.each(['ping', 'pong'] as const)(
  'a flood of WebSocket’s or engine.io’s own ends as well: %s',
  async (kind) => {
    const connection = await connectRaw(scope, gateways[0]?.url ?? '')
    connection.socket.send(
      `40${JSON.stringify({ token: await issuer.token({ ...claims, sub: kind }) })}`,
    )
    await connection.packet(/^40/)
    for (let number = 0; number < 100; number += 1) {
      if (kind === 'ping') connection.socket.ping()
      else connection.socket.send('3')
    }
    expect(await connection.packet(/^42\["gateway:bye"/)).toContain('ABUSE')
    await eventually(() => !connection.open, { what: 'its end' })
  },
)

test('refusals of one turn are answered one by one, also where an event has attachments', async () => {
  const connection = await connectRaw(scope, gateways[0]?.url ?? '')
  const token = await issuer.token({ ...claims, sub: 'bursts' })
  connection.socket.send(`40${JSON.stringify({ token })}`)
  await connection.packet(/^40/)
  for (let number = 0; number < 30; number += 1) {
    const body = number < 20 ? `${number}` : '{"_placeholder":true,"num":0}'
    const request = `${number}["room:send",{"room":"r","id":"${number}","body":${body}}]`
    connection.socket.send(number < 20 ? `42${request}` : `451-${request}`)
    if (number >= 20) connection.socket.send(Buffer.from('attachment'))
  }
  for (let number = 0; number < 30; number += 1) {
    const reply = await connection.packet(new RegExp(`^43${number}\\[`))
    expect(reply).toContain(number < 20 ? '"ok":true' : '"code":"RATE_LIMITED"')
  }
  // Nothing is half there.
  connection.socket.send('4230["gateway:hello",{}]')
  expect(await connection.packet(/^4330\[/)).toContain('"ok":true')
})

test('in an application’s namespaces what arrives counts as well; who was sent away stays out', async () => {
  const token = await issuer.token({ ...claims, sub: 'guest' })
  const connection = await connectRaw(scope, gateways[0]?.url ?? '')
  connection.socket.send(`40/app,${JSON.stringify({ token })}`)
  await connection.packet(/^40\/app,/)
  for (let number = 0; number < 60; number += 1) connection.socket.send(`42/app,${number}["say"]`)
  expect(await connection.packet(/^43\/app,49\[/)).toBe('43/app,49["heard"]')
  expect(await connection.packet(/^43\/app,50\[/)).toMatch(/"RATE_LIMITED".*"retryAfterMs":\d+/)
  for (let number = 60; number < 70; number += 1) connection.socket.send(`42/app,${number}["say"]`)
  expect(await connection.packet(/^42\/app,\["gateway:bye"/)).toContain('"code":"ABUSE"')
  await eventually(() => !connection.open, { what: 'its end' })
  const url = `${gateways[0]?.url}/app`
  expect(await refusalOf(scope, url, { auth: { token } })).toBe('RATE_LIMITED')
})

test('who is cut and goes on writing is not read, and its connection ends', async () => {
  const connection = await connectRaw(scope, gateways[0]?.url ?? '')
  const token = await issuer.token({ ...claims, sub: 'deaf' })
  connection.socket.send(`40${JSON.stringify({ token })}`)
  await connection.packet(/^40/)
  // A frame like any other but for its mask of zeros; it never answers a close frame.
  const text = Buffer.from('421["room:send",{"room":"r","id":"1","body":1}]')
  const frame = Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text])
  const writing = setInterval(() => connection.writeBytes(frame), 1)
  scope.defer(() => clearInterval(writing))
  expect(await connection.packet(/^42\["gateway:bye"/)).toContain('ABUSE')
  await eventually(() => !connection.open, { what: 'its end' })
  clearInterval(writing)
})
