import { createAdapter } from '@socket.io/redis-adapter'
import { Emitter } from '@socket.io/redis-emitter'
import { createClient } from 'redis'
import { Server } from 'socket.io'
import { expect, test } from 'vitest'
import { type Client, connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startGateway } from '../support/gateway-process.ts'
import { startInProcess } from '../support/in-process.ts'
import { readMetric } from '../support/metrics.ts'
import { startPython } from '../support/python.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

/** Two instances; two clients of the room on each, and one that is not in it. */
async function startPair(scope: Scope, env: Record<string, string> = {}) {
  const redis = await startRedis(scope, { settings: env })
  const gateways = await Promise.all(
    ['one', 'two'].map((instance) =>
      startInProcess(scope, { REDIS_URL: redis.url(), INSTANCE_ID: instance, ...env }),
    ),
  )
  const members: Client[] = []
  for (const { url } of [...gateways, ...gateways]) {
    const client = await connectClient(scope, url)
    await client.ask('room:join', { room: 'news' })
    members.push(client)
  }
  const outsider = await connectClient(scope, gateways[0]?.url ?? '')
  return { redis, gateways, members, outsider, everybody: [...members, outsider] }
}

async function openPublisher(scope: Scope, redis: RedisServer) {
  const { host, port, admin } = redis
  const client = createClient({ socket: { host, port }, ...admin })
  client.on('error', () => undefined)
  await client.connect()
  scope.defer(() => client.destroy())
  return client
}

const told = (clients: readonly Client[], event: string) =>
  Promise.all(clients.map((client) => client.next(event)))

/** What was published before `end` has arrived, everywhere, if it is to arrive. */
async function settle(emitter: Emitter, everybody: readonly Client[]): Promise<void> {
  emitter.emit('end')
  await told(everybody, 'end')
}

test('redis-emitter: room, several rooms, except, everybody; each connection hears it once', async () => {
  const scope = testScope()
  const { redis, members, outsider, everybody } = await startPair(scope)
  const emitter = new Emitter(await openPublisher(scope, redis))
  const [first, , third] = members
  emitter.to('news').emit('headline', { text: 'a', data: Buffer.from([1, 2]) })
  expect(await told(members, 'headline')).toEqual(
    members.map(() => ({ text: 'a', data: Buffer.from([1, 2]) })),
  )
  emitter.to(['news', outsider.socket.id ?? '']).emit('both')
  await told(everybody, 'both')
  emitter
    .in('news')
    .except([first?.socket.id ?? ''])
    .volatile.emit('others')
  await told(members.slice(1), 'others')
  emitter.emit('all', 1)
  expect(await told(everybody, 'all')).toEqual([1, 1, 1, 1, 1])
  await settle(emitter, everybody)
  expect(everybody.map((client) => client.received('headline').length)).toEqual([1, 1, 1, 1, 0])
  expect(first?.received('others')).toEqual([])
  expect(third?.received('others')).toHaveLength(1)
})

test('redis-emitter: rooms for connections, disconnectSockets, serverSideEmit', async () => {
  const scope = testScope()
  const { redis, gateways, members, outsider, everybody } = await startPair(scope)
  const emitter = new Emitter(await openPublisher(scope, redis))
  const heard: unknown[] = []
  for (const { io } of gateways)
    io.on('reload' as never, (what: unknown) => {
      heard.push(what)
    })
  emitter.serverSideEmit('reload', 'prices')
  await eventually(() => heard.length === 2, { what: 'the event on both instances' })
  expect(heard).toEqual(['prices', 'prices'])

  emitter.in(outsider.socket.id ?? '').socketsJoin('alerts')
  emitter.to('alerts').emit('alert')
  await outsider.next('alert')
  emitter.in('alerts').socketsLeave('alerts')
  emitter.to('alerts').emit('alert')
  await settle(emitter, everybody)
  expect(outsider.received('alert')).toHaveLength(1)

  emitter.in('news').disconnectSockets()
  expect(await told(members, 'disconnect')).toEqual(members.map(() => 'io server disconnect'))
  expect(outsider.socket.connected).toBe(true)
})

test('D2, D3: a producer cannot forge what is ours; what is malformed is counted and harms nobody', async () => {
  const scope = testScope()
  const { redis, gateways, everybody } = await startPair(scope)
  const publisher = await openPublisher(scope, redis)
  const emitter = new Emitter(publisher)
  emitter.to('news').emit('room:message', { room: 'news', offset: 99 })
  emitter.emit('gateway:bye', { code: 'FORGED', reconnect: false })
  emitter.of('/nowhere').emit('hello')
  for (const text of ['', 'x', '{"type":5}', '[]', '\xc1\xff']) {
    await publisher.publish('socket.io#/#', text)
    await publisher.publish('socket.io-request#/#', text)
  }
  await publisher.publish('socket.io#/#', Buffer.alloc(1_000_001))
  await settle(emitter, everybody)
  for (const client of everybody) {
    expect(client.received('room:message')).toEqual([])
    expect(client.received('gateway:bye')).toEqual([])
  }
  for (const { url } of gateways) {
    const refused = (reason: string) =>
      readMetric(url, 'roomwire_producer_refused_total', { producer: 'emitter', reason })
    expect(await refused('event')).toBe(2)
    expect(await refused('namespace')).toBe(1)
    expect(await refused('too_large')).toBe(1)
    expect(await refused('malformed')).toBeGreaterThanOrEqual(8)
  }
})

test('a Socket.IO server with the Redis adapter beside us is not heard, and named once', async () => {
  const scope = testScope()
  const redis = await startRedis(scope, { rights: 'all' })
  const gateway = await startGateway(scope, { env: { REDIS_URL: redis.url() } })
  await gateway.ready()
  const publisher = createClient({ url: redis.url() })
  const subscriber = publisher.duplicate()
  await Promise.all([publisher.connect(), subscriber.connect()])
  scope.defer(() => Promise.all([publisher.close(), subscriber.close()]))
  const other = new Server({ adapter: createAdapter(publisher, subscriber) })
  const client = await connectClient(scope, gateway.url)
  other.emit('theirs', 1)
  other.socketsLeave('room')
  other.emit('theirs', 2)
  const refused = { producer: 'emitter', reason: 'server' }
  await eventually(
    async () => (await readMetric(gateway.url, 'roomwire_producer_refused_total', refused)) === 3,
    { what: 'three messages that were heard' },
  )
  expect(client.received('theirs')).toEqual([])
  expect(gateway.logs.filter(({ msg }) => msg.includes('@socket.io/redis-adapter'))).toHaveLength(1)
})

test('REDIS_EMITTER=false: nobody listens', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  await startInProcess(scope, { REDIS_URL: redis.url(), REDIS_EMITTER: 'false' })
  expect(await redis.cli('PUBSUB', 'NUMPAT')).toBe('0')
})

/** As python-socketio 5.14 writes it. */
const pythonEmit = (fields: object) =>
  JSON.stringify({
    ...{ method: 'emit', event: 'reply', data: [{ text: 'hi' }], binary: false, namespace: '/' },
    ...{ room: null, skip_sid: null, callback: null, host_id: 'abc' },
    ...fields,
  })

test('python-socketio: JSON frames reach connections on both instances, once each', async () => {
  const scope = testScope()
  const { redis, members, outsider, everybody } = await startPair(scope, {
    PYTHON_SOCKETIO: 'true',
    PYTHON_SOCKETIO_EVENTS: 'reply, picture, pair, end',
  })
  const publisher = await openPublisher(scope, redis)
  const publish = (text: string | Buffer) => publisher.publish('socketio', text)
  await publish(pythonEmit({ room: 'news', skip_sid: members[0]?.socket.id }))
  expect(await told(members.slice(1), 'reply')).toEqual(Array(3).fill({ text: 'hi' }))
  const attachment = Buffer.from([7, 8]).toString('base64')
  const data = [[{ file: { _placeholder: true, num: 0 } }], attachment]
  await publish(pythonEmit({ event: 'picture', room: ['news'], binary: true, data }))
  expect(await told(members, 'picture')).toEqual(Array(4).fill({ file: Buffer.from([7, 8]) }))
  await publish(pythonEmit({ event: 'pair', data: [1, 2] }))
  await told(everybody, 'pair')

  const sid = outsider.socket.id ?? ''
  const membership = { sid, namespace: '/', room: 'desk', host_id: 'abc' }
  await publish(JSON.stringify({ method: 'enter_room', ...membership }))
  await publish(pythonEmit({ room: 'desk' }))
  await outsider.next('reply')
  await publish(JSON.stringify({ method: 'leave_room', ...membership }))
  await publish(pythonEmit({ room: 'desk' }))
  await publish(pythonEmit({ event: 'secret' }))
  await publish(pythonEmit({ namespace: '/admin' }))
  await publish(JSON.stringify({ method: 'callback', id: 1 }))
  await publish(pythonEmit({ event: 'end' }))
  await told(everybody, 'end')
  expect(everybody.map((client) => client.received('reply').length)).toEqual([0, 1, 1, 1, 1])
  expect(everybody.flatMap((client) => client.received('secret'))).toEqual([])

  await publish(JSON.stringify({ method: 'disconnect', sid, namespace: '/', host_id: 'abc' }))
  expect(await outsider.next('disconnect')).toBe('io server disconnect')
})

test('python-socketio as Debian has it pickles: refused and counted, never read', async () => {
  const scope = testScope()
  const { redis, gateways, everybody } = await startPair(scope, { PYTHON_SOCKETIO: 'true' })
  const pickler = await startPython(scope, 'pickled_emit.py')
  expect(await pickler.exited).toMatchObject({ code: 0 })
  const publisher = await openPublisher(scope, redis)
  await publisher.publish('socketio', Buffer.from(pickler.lines[0] ?? '', 'hex'))
  for (const { url } of gateways) {
    const labels = { producer: 'python', reason: 'pickle' }
    const counted = async () =>
      (await readMetric(url, 'roomwire_producer_refused_total', labels)) === 1
    await eventually(counted, { what: 'the refused pickle' })
  }
  await publisher.publish('socketio', pythonEmit({ event: 'end' }))
  await told(everybody, 'end')
  expect(everybody.flatMap((client) => client.received('reply'))).toEqual([])
})
