import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Health } from '../../server/observability/health.ts'
import type { StatusEvent } from '../../server/protocol.ts'
import { makeCertificates } from '../support/certificates.ts'
import { type Client, connectClient, type Reply } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import {
  type GatewayProcess,
  type LogEntry,
  runGateway,
  startGateway,
} from '../support/gateway-process.ts'
import { laterTroubles } from '../support/later-troubles.ts'
import { readMetric } from '../support/metrics.ts'
import { startRedis } from '../support/redis-server.ts'
import { newPassword, type RedisAddress, type TroubleCase } from '../support/redis-trouble.ts'
import { createScope } from '../support/scope.ts'
import { startTroubles } from '../support/start-troubles.ts'
import { testScope } from '../support/test-scope.ts'

const ROOM = 'lobby'
const ROLES = ['rooms', 'cache'] as const
const PASSWORD = newPassword()
/** The longest pause between two attempts, twice, on a busy machine. */
const PATIENCE_MS = 30_000
/** What one trouble may write about one role in two minutes. */
const MOST_LINES = 5

for (const trouble of startTroubles) {
  test.concurrent(`D7: ${trouble.title} is named, and mended without a restart`, async ({
    onTestFinished,
  }) => {
    const scope = createScope()
    onTestFinished(() => scope.close())
    const { address, nodeArgs = [], end } = await trouble.arrange(scope, [PASSWORD])
    const gateway = await startGateway(scope, { env: environment(address), nodeArgs })
    const early = await connectClient(scope, gateway.url)

    await isNamed(gateway, trouble)
    expect(await probe(gateway, '/health/ready')).toBe(503)
    const late = await connectClient(scope, gateway.url)
    for (const client of [early, late]) await hearsDegraded(client, trouble)
    await isRefused(late)

    await end()
    await worksAgain(gateway, [early, late])
    await wasQuiet(gateway, trouble)
  })
}

for (const trouble of laterTroubles) {
  test.concurrent(`D7: ${trouble.title}: clients stay, and all works again afterwards`, async ({
    onTestFinished,
  }) => {
    const scope = createScope()
    onTestFinished(() => scope.close())
    const { address, begin, end } = await trouble.arrange(scope, [PASSWORD])
    const gateway = await startGateway(scope, { env: environment(address) })
    await gateway.ready()
    const early = await connectClient(scope, gateway.url)
    await early.ask('room:join', { room: ROOM })

    await begin?.()
    const replies = await Promise.all(Array.from({ length: 300 }, () => send(early)))
    // A call takes up to 64 of them with it. Each call that failed is counted, and none is a line of the log.
    const unknown = replies.filter((reply) => !reply.ok && reply.error.code === 'OUTCOME_UNKNOWN')
    expect(await redisErrors(gateway)).toBeGreaterThanOrEqual(Math.ceil(unknown.length / 64))
    await isNamed(gateway, trouble)
    expect(await probe(gateway, '/health/ready')).toBe(200)
    const late = await connectClient(scope, gateway.url)
    for (const client of [early, late]) await hearsDegraded(client, trouble)
    if (trouble.refusesSends) await isRefused(early)

    await end()
    await worksAgain(gateway, [early, late])
    for (const reply of replies) {
      if (!reply.ok) expect(reply.error).toMatchObject({ retryable: true })
      // Also what nobody could be told of at the time (D4).
      else await hears(early, reply.id)
    }
    await wasQuiet(gateway, trouble)
  })
}

test('a certificate of an authority of our own is accepted, by the name it is for', async () => {
  const scope = testScope()
  const tls = await makeCertificates(scope, ['IP:127.0.0.1', 'DNS:redis.example'])
  const redis = await startRedis(scope, { requirepass: PASSWORD, tls })
  const env = environment({ tls: true, host: redis.host, port: redis.port, caFile: tls.caFile })
  const start = async (serverName: string) =>
    startGateway(scope, { env: { ...env, REDIS_TLS_SERVER_NAME: serverName } })
  const [right, wrong] = await Promise.all([start('redis.example'), start('other.example')])
  await right.ready()
  expect((await readHealth(right)).redis.rooms.state).toBe('ok')
  await wrong.waitForLog((entry) => isFailure(entry, 'rooms') && entry['kind'] === 'tls')
})

test('malformed settings end the process with code 78 and name the variable', async () => {
  const scope = testScope()
  const malformed = {
    REDIS_URL: 'redis://localhost:port',
    WEBSOCKET_REDIS_URL: 'http://localhost:6379',
    REDIS_PASSWORD_FILE: '/nowhere/password',
    PORT: '80a',
    DEDUP_WINDOW: 'ten minutes',
    ENABLE_WEBSOCKET_SUPPORT: 'maybe',
  }
  const { code, output } = await runGateway(scope, { env: malformed })
  expect(code).toBe(78)
  for (const variable of Object.keys(malformed)) {
    expect(output.filter((line) => line.includes(`error: ${variable} `))).toHaveLength(1)
  }
})

/** `/health` and one line of the log say what is wrong, and the process lives. */
async function isNamed(gateway: GatewayProcess, { kind, roles }: TroubleCase): Promise<void> {
  for (const role of roles) {
    const says = (entry: LogEntry) => isFailure(entry, role) && entry['kind'] === kind
    await gateway.waitForLog(says, PATIENCE_MS)
    const health = await readHealth(gateway)
    expect(health.redis[role]).toMatchObject({ state: 'down', kind })
  }
  expect(await probe(gateway, '/health/live')).toBe(200)
  expect(await probe(gateway, '/health')).toBe(200)
}

async function hearsDegraded(client: Client, { kind }: TroubleCase): Promise<void> {
  await eventually(() => lastStatus(client)?.reason === `redis_${kind}`, {
    what: `gateway:status with redis_${kind}`,
  })
  expect(lastStatus(client)?.state).toBe('degraded')
}

async function isRefused(client: Client): Promise<void> {
  expect(await send(client)).toMatchObject({ ok: false, error: { retryable: true } })
}

/** The same process and the same connections: ready, told so, and chatting. */
async function worksAgain(gateway: GatewayProcess, clients: readonly Client[]): Promise<void> {
  for (const role of ROLES) {
    await gateway.waitForLog((entry) => entry.msg === `Redis ${role} connected`, PATIENCE_MS)
  }
  await gateway.ready()
  await eventually(async () => (await readHealth(gateway)).status === 'ok')
  for (const client of clients) {
    await eventually(() => lastStatus(client)?.state === 'ok', { what: 'gateway:status ok' })
    await client.ask('room:join', { room: ROOM })
  }
  for (const client of clients) {
    const reply = await send(client)
    if (!reply.ok) throw new Error(`still refused: ${reply.error.code}`)
    for (const each of clients) await hears(each, reply.id)
    expect(client.received('disconnect')).toEqual([])
  }
}

async function hears(client: Client, id: string): Promise<void> {
  await eventually(() => client.messages(ROOM).some((message) => message.id === id), {
    what: `the message ${id}`,
  })
}

/** One line for each role and change of state, however much failed; nothing that nobody handled. */
async function wasQuiet(gateway: GatewayProcess, { kind, roles }: TroubleCase): Promise<void> {
  for (const role of ROLES) {
    const lines = gateway.logs.filter((entry) => entry['role'] === role)
    expect(lines.length).toBeLessThanOrEqual(MOST_LINES)
    const kinds = lines.filter((entry) => isFailure(entry, role)).map((entry) => entry['kind'])
    expect(kinds).toEqual(roles.includes(role) ? [kind] : [])
  }
  expect(gateway.logs.filter((entry) => /unhandled|uncaught/.test(entry.msg))).toEqual([])
  expect(await readMetric(gateway.url, 'roomwire_unhandled_errors_total')).toBe(0)
  expect(await redisErrors(gateway, kind)).toBeGreaterThan(0)
}

function redisErrors(gateway: GatewayProcess, kind?: string): Promise<number> {
  const labels = { role: 'rooms', ...(kind === undefined ? {} : { kind }) }
  return readMetric(gateway.url, 'roomwire_redis_errors_total', labels)
}

function isFailure(entry: LogEntry, role: string): boolean {
  return entry['role'] === role && entry.msg.startsWith('Redis connection failed')
}

function environment(address: RedisAddress): Record<string, string> {
  const { tls, host, port, username = '', withoutPassword, caFile } = address
  const userinfo = withoutPassword ? '' : `${username}:${encodeURIComponent(PASSWORD)}@`
  return {
    REDIS_URL: `${tls ? 'rediss' : 'redis'}://${userinfo}${host}:${port}`,
    ...(caFile === undefined ? {} : { REDIS_TLS_CA_FILE: caFile }),
  }
}

function send(client: Client): Promise<Reply<'room:send'>> {
  return client.request('room:send', { room: ROOM, id: randomUUID(), body: 'hello' })
}

function lastStatus(client: Client): StatusEvent | undefined {
  return client.received<StatusEvent>('gateway:status').at(-1)
}

async function probe(gateway: GatewayProcess, path: string): Promise<number> {
  return (await fetch(gateway.url + path)).status
}

async function readHealth(gateway: GatewayProcess): Promise<Health> {
  return (await (await fetch(`${gateway.url}/health`)).json()) as Health
}
