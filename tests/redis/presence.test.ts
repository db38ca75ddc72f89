import { randomUUID } from 'node:crypto'
import { beforeAll, beforeEach, expect, test } from 'vitest'
import type { MembersReply, PresenceEvent } from '../../server/protocol.ts'
import { type Client, connectClient } from '../support/client.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

const LEASE_MS = 3000

const suite = testScope()
const prefix = `roomwire:t-${randomUUID()}`
let redis: RedisServer
/** Two instances for all tests; a third one is a test's own. */
let one: GatewayProcess
let two: GatewayProcess
/** One for each test. */
let room: string

async function start(scope: Scope, instance: string): Promise<GatewayProcess> {
  const env = {
    WEBSOCKET_REDIS_URL: redis.url(),
    REDIS_KEY_PREFIX: prefix,
    INSTANCE_ID: instance,
    PRESENCE_LEASE: `${LEASE_MS}ms`,
    PRESENCE_GRACE: `${LEASE_MS}ms`,
  }
  const gateway = await startGateway(scope, { env })
  await gateway.ready()
  return gateway
}

beforeAll(async () => {
  redis = await startRedis(suite)
  const both = await Promise.all([start(suite, 'one'), start(suite, 'two')])
  ;[one, two] = both
})

beforeEach(() => {
  room = `lobby ${randomUUID()}`
})

async function join(
  scope: Scope,
  gateway: GatewayProcess,
  name: string,
  presence = false,
): Promise<Client> {
  const client = await connectClient(scope, gateway.url, { session: name, name })
  await client.ask('room:join', { room, ...(presence && { presence }) })
  return client
}

const told = (client: Client) =>
  client
    .received<PresenceEvent>('room:presence')
    .map(({ event, user }) => `${event} ${user.name ?? user.id}`)

const membersOf = async (client: Client) =>
  (await client.ask('room:members', { room })) as unknown as MembersReply

const namesIn = ({ members }: MembersReply) => members.map(({ user }) => user.name).sort()

test('ten tabs of a user on three instances: one join, one leave; reconnections are not told', async () => {
  const scope = testScope()
  const three = await start(scope, 'three')
  const gateways = [one, two, three]
  const observer = await join(scope, two, 'observer', true)
  const tabs = await Promise.all(
    Array.from({ length: 10 }, (_, index) => join(scope, gateways[index % 3] ?? one, 'ann')),
  )
  expect(await observer.next('room:presence')).toMatchObject({
    event: 'join',
    user: { name: 'ann' },
  })
  await expect
    .poll(async () => namesIn(await membersOf(observer)), { timeout: 10_000 })
    .toEqual(['ann', 'observer'])
  for (const gateway of gateways) {
    const asking = await connectClient(scope, gateway.url)
    await expect.poll(async () => (await membersOf(asking)).count, { timeout: 10_000 }).toBe(2)
  }

  // Every tab breaks its connection, and the user comes back elsewhere in time.
  for (const tab of tabs) tab.socket.io.engine.close()
  for (const tab of tabs) tab.close()
  const again = await Promise.all([join(scope, three, 'ann'), join(scope, one, 'ann')])
  await join(scope, one, 'first witness')
  await expect
    .poll(() => told(observer), { timeout: 10_000 })
    .toEqual(['join ann', 'join first witness'])
  for (const tab of again) await tab.ask('room:leave', { room })
  await expect.poll(() => told(observer).at(-1), { timeout: 3 * LEASE_MS }).toBe('leave ann')
  await join(scope, two, 'last witness')
  await expect
    .poll(() => told(observer), { timeout: 10_000 })
    .toEqual(['join ann', 'join first witness', 'leave ann', 'join last witness'])
  // D9: nobody else is told anything.
  expect(again.flatMap(told)).toEqual([])
})

test('users of a killed instance are gone when its lease ends, who came back before has not left', async () => {
  const scope = testScope()
  const three = await start(scope, 'three')
  const observer = await join(scope, one, 'observer', true)
  const names = ['back 1', 'back 2', 'back 3', 'ghost 1', 'ghost 2', 'ghost 3']
  for (const name of names) await join(scope, three, name)
  await expect.poll(() => told(observer), { timeout: 10_000 }).toHaveLength(6)

  three.signal('SIGKILL')
  const killedAt = performance.now()
  await three.exited
  for (const name of ['back 1', 'back 2', 'back 3']) await join(scope, two, name)
  // Silent, but its lease holds: it is named.
  await expect
    .poll(async () => (await membersOf(observer)).missing, { timeout: LEASE_MS })
    .toEqual(['three'])
  await expect.poll(() => told(observer), { timeout: 3 * LEASE_MS, interval: 10 }).toHaveLength(9)
  const goneAfterMs = performance.now() - killedAt
  console.log(`ghosts gone after ${Math.round(goneAfterMs)} ms of a lease of ${LEASE_MS} ms`)
  expect(goneAfterMs).toBeGreaterThan(LEASE_MS - 100)
  expect(goneAfterMs).toBeLessThan(LEASE_MS + 2000) // promised: 1 s; on a busy machine
  expect(told(observer).slice(6).sort()).toEqual([
    'leave ghost 1',
    'leave ghost 2',
    'leave ghost 3',
  ])
  const members = await membersOf(observer)
  expect(namesIn(members)).toEqual(['back 1', 'back 2', 'back 3', 'observer'])
  expect(members.missing).toBeUndefined()
})

// The last one: for a while after an outage nobody is told who comes and goes.
test('D7 without Redis members are those known here, within a second, and the others are named', async () => {
  const scope = testScope()
  await join(scope, two, 'ann')
  // Written before anybody looks: its instance has a name, and nobody is told.
  await expect.poll(() => redis.cli('KEYS', `*${room}*:here:*`), { timeout: 10_000 }).not.toBe('')
  const observer = await join(scope, one, 'observer', true)
  await expect.poll(async () => (await membersOf(observer)).count, { timeout: 10_000 }).toBe(2)
  for (const trouble of ['pause', 'kill'] as const) {
    await redis[trouble]()
    const ask = async () => {
      const asked = performance.now()
      const found = await membersOf(observer)
      expect(performance.now() - asked).toBeLessThan(1500) // promised: 1 s; on a busy machine
      return found
    }
    await expect.poll(ask, { timeout: 10_000 }).toMatchObject({ count: 1, missing: ['two'] })
    if (trouble === 'pause') redis.resume()
    else await redis.start()
    await expect.poll(async () => (await membersOf(observer)).count, { timeout: 20_000 }).toBe(2)
  }
  // Redis came back empty: everybody wrote again.
  const { members } = await membersOf(observer)
  expect(members.map(({ user }) => user.name)).toEqual(['ann', 'observer'])
  expect(told(observer)).toEqual([])
})
