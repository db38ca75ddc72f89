import { Emitter } from '@socket.io/redis-emitter'
import { createClient } from 'redis'
import { expect, test } from 'vitest'
import { digestOf } from '../../server/content.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startInProcess } from '../support/in-process.ts'
import { createIssuer } from '../support/issuer.ts'
import { readMetric } from '../support/metrics.ts'
import { connectRaw } from '../support/raw-connection.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

/** What somebody broke once. */

test('who is only in a namespace of the application goes as well: disconnected, revoked, expired', async () => {
  const scope = testScope()
  const issuer = await createIssuer(scope)
  const gateway = await startInProcess(scope, issuer.env, { namespaces: { '/admin': () => {} } })
  const enter = async (sub: string, claims = {}) =>
    connectClient(scope, `${gateway.url}/admin`, {
      token: await issuer.token({ sub, jti: `of-${sub}`, ...claims }),
    })
  const [ann, ben, cleo, dan] = await Promise.all([
    enter('ann'),
    enter('ben'),
    enter('cleo'),
    enter('dan', { exp: Math.floor(Date.now() / 1000) + 2 }),
  ])
  await gateway.control.disconnectUser('ann')
  await gateway.control.revoke({ user: 'ben' })
  await gateway.control.revoke({ tokenId: 'of-cleo' })
  expect(await ann?.next('disconnect')).toBe('io server disconnect')
  expect(await ben?.next('disconnect')).toBe('io server disconnect')
  expect(await cleo?.next('disconnect')).toBe('io server disconnect')
  await dan?.next('disconnect')
})

test.each(['memory', 'redis'])(
  'a shorter revocation takes nothing of a longer one back: %s',
  async (home) => {
    const scope = testScope()
    const issuer = await createIssuer(scope)
    const redis = home === 'redis' ? { REDIS_URL: (await startRedis(scope)).url() } : {}
    const gateway = await startInProcess(scope, { ...issuer.env, ...redis })
    const token = await issuer.token({ jti: 'j' })
    await gateway.control.revoke({ tokenId: 'j', until: Date.now() + 86_400_000 })
    const until = Date.now() + 200
    await gateway.control.revoke({ tokenId: 'j', until })
    await eventually(() => Date.now() > until + 100, { what: 'the end of the shorter one' })
    await expect(
      connectClient(scope, gateway.url, { token, reconnection: false }),
    ).rejects.toThrow()
  },
)

test('what producers make handlers do ends no connection to Redis', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const gateway = await startInProcess(scope, { REDIS_URL: redis.url() })
  gateway.io.on('app' as never, (value: { deep: { er: unknown } }) => void value.deep.er)
  const publisher = createClient({ url: redis.url() })
  await publisher.connect()
  scope.defer(() => publisher.destroy())
  const emitter = new Emitter(publisher)
  const client = await connectClient(scope, gateway.url)
  for (const event of ['connection', 'error', 'new_namespace']) {
    const request = JSON.stringify({ uid: 'emitter', type: 6, data: [event, 'x'] })
    await publisher.publish('socket.io-request#/#', request)
  }
  emitter.serverSideEmit('app', null)
  let nested: unknown[] = []
  for (let depth = 0; depth < 500; depth++) nested = [nested]
  emitter.emit('deep', nested)
  emitter.emit('end')
  await client.next('end')
  expect(client.received('deep')).toEqual([])
  const refused = (reason: string) =>
    readMetric(gateway.url, 'roomwire_producer_refused_total', { reason })
  expect([await refused('event'), await refused('failed'), await refused('malformed')]).toEqual([
    3, 1, 1,
  ])
  expect(await readMetric(gateway.url, 'roomwire_redis_errors_total')).toBe(0)
  expect(await readMetric(gateway.url, 'roomwire_unhandled_errors_total')).toBe(0)
})

test('D8 bodies that wait for beforeSend are bounded', async () => {
  const scope = testScope()
  let release = () => {}
  const released = new Promise<undefined>((resolve) => {
    release = () => resolve(undefined)
  })
  const gateway = await startInProcess(scope, {}, { beforeSend: () => released })
  const client = await connectClient(scope, gateway.url)
  const body = 'x'.repeat(60_000)
  const fitting = Math.floor((16 * 1024 * 1024) / JSON.stringify(body).length)
  const refused: unknown[] = []
  const replies = Array.from({ length: fitting + 50 }, async (_, n) => {
    const reply = await client.request('room:send', { room: 'r', id: `m-${n}`, body }, 30_000)
    if (!reply.ok) refused.push(reply.error)
    return reply
  })
  await eventually(() => refused.length === 50, { what: 'refusals', timeoutMs: 20_000 })
  expect(refused[0]).toMatchObject({ code: 'OVERLOADED', retryable: true })
  release()
  expect((await Promise.all(replies)).filter(({ ok }) => ok)).toHaveLength(fitting)
})

test('a refresh that takes away the sight of members ends presence', async () => {
  const scope = testScope()
  const issuer = await createIssuer(scope)
  const gateway = await startInProcess(scope, issuer.env)
  const enter = async (sub: string, roomwire: object) =>
    connectClient(scope, gateway.url, { token: await issuer.token({ sub, roomwire }) })
  const ann = await enter('ann', { rooms: ['r'] })
  await ann.ask('room:join', { room: 'r', presence: true })
  const [ben, cleo] = [await enter('ben', { rooms: ['r'] }), await enter('cleo', { rooms: ['r'] })]
  await ben.ask('room:join', { room: 'r' })
  await ann.next('room:presence')
  const token = await issuer.token({
    ...{ sub: 'ann', roomwire: { join: ['r'], send: ['r'], history: [], members: [] } },
  })
  await ann.ask('auth:refresh', { token })
  expect(await ann.request('room:members', { room: 'r' })).toMatchObject({
    error: { code: 'FORBIDDEN' },
  })
  await cleo.ask('room:join', { room: 'r', presence: true })
  await ben.ask('room:send', { room: 'r', id: 'last', body: 1 })
  await ann.next('room:message')
  // Presence is coalesced: it would have come by the time that this is answered.
  await eventually(async () => {
    const { count } = await cleo.ask('room:members', { room: 'r' })
    return count === 3
  })
  expect(ann.received('room:presence')).toHaveLength(1)
})

test('the content window: other shapes are other bodies', () => {
  const bodies = [{}, [], { a: 1 }, [['a', 1]], ['a', 1], ['list'], { list: [] }]
  expect(new Set(bodies.map(digestOf)).size).toBe(bodies.length)
  expect(digestOf({ b: ' x  y ', a: 1 })).toBe(digestOf({ a: 1, b: 'x y' }))
})

test('a client that closes while it is written to has closed its connection, which is no error', async () => {
  const scope = testScope()
  const gateway = await startInProcess(scope)
  const raw = await connectRaw(scope, gateway.url)
  raw.socket.send('40')
  await raw.packet(/^40/)
  // It says that it closes, and does not take note of the end: the gateway waits for it.
  raw.socket.close()
  raw.socket.pause()
  const ended = () => readMetric(gateway.url, 'roomwire_disconnects_total')
  await eventually(async () => {
    gateway.io.emit('news')
    return (await ended()) === 1
  })
  const labels = { reason: 'transport_close' }
  expect(await readMetric(gateway.url, 'roomwire_disconnects_total', labels)).toBe(1)
})
