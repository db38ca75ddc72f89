import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, test } from 'vitest'
import { type Client, connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { type InProcessGateway, startInProcess } from '../support/in-process.ts'
import { createIssuer, type Issuer, seconds } from '../support/issuer.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { refusalOf } from '../support/refusal.ts'
import { testScope } from '../support/test-scope.ts'

const scope = testScope()
const everything = { roomwire: { rooms: ['*'] } }
/** What is promised, ms. */
const GONE_MS = 1000

let issuer: Issuer
let redis: RedisServer
let gateways: InProcessGateway[]

const start = (env: Record<string, string> = {}) =>
  startInProcess(scope, {
    ...issuer.env,
    REDIS_URL: redis.url(),
    JWT_CLOCK_SKEW: '0ms',
    JWT_AUDIENCE: '',
    ...env,
  })

beforeAll(async () => {
  ;[issuer, redis] = await Promise.all([createIssuer(scope), startRedis(scope)])
  gateways = await Promise.all([start(), start(), start()])
}, 60_000)

/** The same token on every instance, each in a room, coming back by themselves where they may. */
function connectEverywhere(token: string, reconnection = false): Promise<Client[]> {
  return Promise.all(
    gateways.map(async ({ url }) => {
      const client = await connectClient(scope, url, { token, reconnection })
      await client.ask('room:join', { room: 'hall' })
      return client
    }),
  )
}

/** When each heard that it is over, ms after `since`. */
async function endsOf(clients: readonly Client[], since: () => number): Promise<number[]> {
  return Promise.all(
    clients.map(async (client) => {
      await client.next('disconnect')
      return performance.now() - since()
    }),
  )
}

test('a revoked user is gone from all three instances within a second, and stays out', async () => {
  const token = await issuer.token({ ...everything, sub: 'mallory' })
  const clients = await connectEverywhere(token)
  const [witness] = await connectEverywhere(await issuer.token({ ...everything, sub: 'witness' }))
  let since = 0
  const ends = endsOf(clients, () => since)
  since = performance.now()
  await gateways[0]?.control.revoke({ user: 'mallory' })
  expect(Math.max(...(await ends))).toBeLessThan(GONE_MS)
  for (const client of clients) {
    expect(client.received('gateway:bye')).toEqual([{ code: 'TOKEN_REVOKED', reconnect: false }])
  }
  for (const { url } of gateways) {
    expect(await refusalOf(scope, url, { auth: { token } })).toBe('UNAUTHORIZED')
  }
  // A token from before is refused whichever it is; one from later is good.
  const older = await issuer.token({ ...everything, sub: 'mallory', iat: seconds(-60), jti: 'x' })
  expect(await refusalOf(scope, gateways[1]?.url ?? '', { auth: { token: older } })).toBe(
    'UNAUTHORIZED',
  )
  await sleep(1100) // whose time of issue is a whole second
  const later = await issuer.token({ ...everything, sub: 'mallory' })
  expect(await refusalOf(scope, gateways[1]?.url ?? '', { auth: { token: later } })).toBe(
    'connected',
  )
  expect(witness?.socket.connected).toBe(true)
})

test('a revoked token ends its own connections alone', async () => {
  const [one, two] = await Promise.all(
    ['one', 'two'].map((jti) => issuer.token({ ...everything, sub: 'tina', jti })),
  )
  const ended = await connectEverywhere(one ?? '')
  const kept = await connectEverywhere(two ?? '')
  let since = 0
  const ends = endsOf(ended, () => since)
  since = performance.now()
  await gateways[2]?.control.revoke({ tokenId: 'one' })
  expect(Math.max(...(await ends))).toBeLessThan(GONE_MS)
  for (const client of kept) expect((await client.request('gateway:hello', {})).ok).toBe(true)
})

test('an expired token is gone from all three instances within a second', async () => {
  const exp = seconds(3)
  const clients = await connectEverywhere(await issuer.token({ ...everything, exp }))
  const hello = await clients[0]?.ask('gateway:hello', {})
  expect(hello?.expiresAt).toBe(exp * 1000)
  await Promise.all(clients.map((client) => client.next('disconnect')))
  const late = Date.now() - exp * 1000
  expect(late).toBeGreaterThanOrEqual(0)
  expect(late).toBeLessThan(GONE_MS)
  for (const client of clients) {
    expect(client.received('gateway:bye')).toEqual([{ code: 'TOKEN_EXPIRED', reconnect: true }])
  }
})

test('auth:refresh puts off the end, and takes away rooms that the new token does not grant', async () => {
  const exp = seconds(3)
  const roomwire = { rooms: ['hall', 'cellar'] }
  const [client] = await connectEverywhere(await issuer.token({ sub: 'rita', exp, roomwire }))
  if (client === undefined) return expect.fail()
  await client.ask('room:join', { room: 'cellar' })
  const fewer = await issuer.token({ sub: 'rita', roomwire: { rooms: ['hall'] } })
  const reply = await client.ask('auth:refresh', { token: fewer })
  expect(reply).toMatchObject({ left: ['cellar'] })
  expect(reply.expiresAt).toBeGreaterThan(exp * 1000)
  const [writer] = await connectEverywhere(await issuer.token({ ...everything, sub: 'w' }))
  await writer?.ask('room:send', { room: 'cellar', id: '1', body: 'not for rita' })
  await writer?.ask('room:send', { room: 'hall', id: '1', body: 'for rita' })
  expect(await client.next('room:message')).toMatchObject({ room: 'hall' })
  expect(client.messages('cellar')).toEqual([])
  expect(await client.request('room:join', { room: 'cellar' })).toMatchObject({
    error: { code: 'FORBIDDEN' },
  })
  await sleep(Math.max(0, exp * 1000 - Date.now()) + GONE_MS)
  expect(client.socket.connected).toBe(true)
})

test('D2: a user is the sender of messages, whatever session and connection', async () => {
  const token = await issuer.token({ ...everything, sub: 'sam', name: 'Sam' })
  const [one, two] = await connectEverywhere(token)
  const message = { room: 'hall', id: 'sam-1', body: 1 }
  expect(await one?.ask('room:send', message)).toMatchObject({ duplicate: false })
  expect(await two?.ask('room:send', message)).toMatchObject({ duplicate: true })
  expect(await two?.next('room:message')).toMatchObject({ from: { id: 'sam', name: 'Sam' } })
})

test('disconnecting a user ends the connections on all instances; the token is still good', async () => {
  const token = await issuer.token({ ...everything, sub: 'dora' })
  const clients = await connectEverywhere(token, true)
  await gateways[1]?.control.disconnectUser('dora', { reconnect: true })
  for (const client of clients) {
    expect(await client.next('gateway:bye')).toEqual({ code: 'DISCONNECTED', reconnect: true })
    await client.next('connect')
  }
})

test('what was revoked while an instance was away counts when it is back', async () => {
  const token = await issuer.token({ ...everything, sub: 'away' })
  const late = await start({ INSTANCE_ID: 'late' })
  const client = await connectClient(scope, late.url, { token, reconnection: false })
  const lines = (await redis.cli('CLIENT', 'LIST', 'TYPE', 'pubsub')).split('\n')
  // Told while nobody hears it: only the record is left.
  const name = 'roomwire:{revoked}'
  const [at, until] = [Date.now(), Date.now() + 60_000]
  await redis.cli('ZADD', `${name}:at`, String(at), 'uaway')
  await redis.cli('ZADD', `${name}:until`, String(until), 'uaway')
  for (const line of lines) {
    const id = /\bid=(\d+)/.exec(line)?.[1]
    if (id !== undefined) await redis.cli('CLIENT', 'KILL', 'ID', id)
  }
  await client.next('disconnect')
  expect(client.received('gateway:bye')).toEqual([{ code: 'TOKEN_REVOKED', reconnect: false }])
  const started = await start()
  await eventually(
    async () => (await refusalOf(scope, started.url, { auth: { token } })) !== 'UNAVAILABLE',
  )
  expect(await refusalOf(scope, started.url, { auth: { token } })).toBe('UNAUTHORIZED')
})

test('D7: without Redis people stay, and what is known of revocations counts', async () => {
  const other = await startRedis(scope)
  const alone = await start({ REDIS_URL: other.url() })
  const [good, bad] = await Promise.all(
    ['good', 'bad'].map((sub) => issuer.token({ ...everything, sub })),
  )
  const client = await connectClient(scope, alone.url, { token: good ?? '' })
  await alone.control.revoke({ user: 'bad' })
  await other.kill()
  await client.next('gateway:status')
  expect(await refusalOf(scope, alone.url, { auth: { token: bad } })).toBe('UNAUTHORIZED')
  expect(await refusalOf(scope, alone.url, { auth: { token: good } })).toBe('connected')
  await expect(alone.control.revoke({ user: 'good' })).rejects.toMatchObject({
    retryable: true,
  })
  expect(client.socket.connected).toBe(true)
})
