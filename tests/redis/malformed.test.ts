import { inspect } from 'node:util'
import { beforeAll, expect, it } from 'vitest'
import { createRandom, type Random } from '../chaos/random.ts'
import { drawPacket } from '../support/broken-packets.ts'
import { startBystanders } from '../support/bystanders.ts'
import { type Client, connectClient } from '../support/client.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { drawRequest, type OddRequest } from '../support/malformed-requests.ts'
import { readMetric } from '../support/metrics.ts'
import { connectRaw } from '../support/raw-connection.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

// Together 10,000. MALFORMED_SEED repeats a run.
const REQUESTS = 8000
const UNACKNOWLEDGED = 400
const PACKETS = 1200
const HANDSHAKES = 100
const POLLS = 300
const seed = Number(process.env['MALFORMED_SEED'] ?? Math.floor(Math.random() * 2 ** 32))

const scope = testScope()
let gateway: GatewayProcess

beforeAll(async () => {
  const redis = await startRedis(scope)
  gateway = await startGateway(scope, {
    env: { REDIS_URL: redis.url(), LOG_LEVEL: 'info', DRAIN_NOTICE: '0ms' },
  })
  await gateway.ready()
})

/** Runs `work` for each of `count` draws, `width` at a time. */
async function spread(count: number, width: number, work: (index: number) => Promise<void>) {
  let next = 0
  const lane = async () => {
    for (let index = next++; index < count; index = next++) await work(index)
  }
  await Promise.all(Array.from({ length: width }, lane))
}

const describeRequest = ({ event, args }: OddRequest): string =>
  `${event} ${inspect(args, { depth: 4, maxStringLength: 100, breakLength: Infinity })}`

/** Sends odd requests with acknowledgements; returns those that were not answered as they had to be. */
async function sendRequests(clients: readonly Client[], random: Random): Promise<string[]> {
  const wrong: string[] = []
  await spread(REQUESTS, 200, async (index) => {
    const request = drawRequest(random, `odd ${index % 7}`)
    const { event, args, expected } = request
    const client = clients[index % clients.length] ?? expect.fail()
    const reply = await client.socket
      .timeout(20_000)
      .emitWithAck(event, ...args)
      .catch((error: unknown) => ({ ok: false, error: { code: String(error), message: '' } }))
    const asExpected =
      expected === 'accepted'
        ? reply.ok === true
        : reply.error?.code === expected.code &&
          reply.error.retryable === false &&
          expected.fields.some((field) => reply.error.message.startsWith(field))
    if (!asExpected) wrong.push(`${describeRequest(request)} → ${JSON.stringify(reply)}`)
  })
  return wrong
}

/**
 * Sends broken packets, each on a connection of its own, and then a request. Returns those after which
 * neither the request was answered nor the connection was ended.
 */
async function sendPackets(random: Random) {
  const outcomes = { dropped: 0, ignored: 0 }
  await spread(PACKETS, 16, async () => {
    const testEnd = testScope()
    const packet = drawPacket(random)
    const connection = await connectRaw(testEnd, gateway.url)
    if (!packet.early) {
      connection.socket.send('40')
      await connection.packet(/^40/)
    }
    packet.send(connection)
    if (packet.early) connection.socket.send('40')
    connection.socket.send('4277["gateway:hello",{}]')
    const answer = await connection.packet(/^4377/)
    if (answer === undefined) outcomes.dropped += 1
    else outcomes.ignored += 1
    connection.close()
  })
  return outcomes
}

/** Requests without an acknowledgement: nobody can be answered. */
async function sendUnacknowledged(client: Client, random: Random): Promise<void> {
  for (let count = 0; count < UNACKNOWLEDGED; count += 1) {
    const { event, args } = drawRequest(random, 'odd')
    const typing = random.chance(0.3)
    client.socket.emit(typing ? 'room:typing' : event, ...args)
  }
  await client.ask('gateway:hello', {}) // whatever came before it has been dealt with
}

/** Handshakes with an `auth` that is none; returns those that were not refused by its field. */
async function sendHandshakes(random: Random): Promise<string[]> {
  const wrong: string[] = []
  await spread(HANDSHAKES, 8, async () => {
    const field = random.pick(['session', 'name', 'token'])
    const value = random.pick(['""', '5', 'null', '[]', '{}', `"${'x'.repeat(20_000)}"`])
    const isToken = field === 'token' && value === '""' // nobody has to have one
    const connection = await connectRaw(testScope(), gateway.url)
    connection.socket.send(`40{"${field}":${value}}`)
    const refusal = await connection.packet(/^4[04]/)
    if (!isToken && !refusal?.startsWith(`44{"message":"auth.${field}: `)) {
      wrong.push(`${field}: ${value.slice(0, 20)} → ${refusal}`)
    }
    connection.close()
  })
  return wrong
}

/** HTTP that the polling transport makes no sense of; returns how often each status was answered. */
async function poll(random: Random): Promise<Record<number, number>> {
  const statuses: Record<number, number> = {}
  const base = `${gateway.url}/socket.io/`
  const ask = async (query: string, init: RequestInit = {}) => {
    const response = await fetch(`${base}?${query}`, {
      signal: AbortSignal.timeout(20_000),
      ...init,
    })
    statuses[response.status] = (statuses[response.status] ?? 0) + 1
    return response.text()
  }
  const queries = [
    '',
    'EIO=4',
    'EIO=3&transport=polling',
    'EIO=9&transport=polling',
    'EIO=4&transport=carrier-pigeon',
    'EIO=4&transport=__proto__',
    'EIO=4&transport=websocket',
    'EIO=4&transport=polling&sid=nobody',
    'EIO=4&transport=polling&sid[]=1&sid[]=2',
    `EIO=4&transport=polling&sid=${'s'.repeat(4000)}`,
  ]
  const bodies = [
    '',
    'x',
    '4',
    '42{',
    '42[]',
    '\x1e\x1e\x1e',
    'b!!',
    '6',
    '2',
    `4${'['.repeat(50_000)}`,
  ]
  await spread(POLLS, 8, async () => {
    if (random.chance(0.3)) {
      const method = random.pick(['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'])
      const body = method === 'GET' ? {} : { body: random.pick(bodies) }
      await ask(random.pick(queries), { method, ...body })
      return
    }
    const opened = await ask('EIO=4&transport=polling')
    const sid = /"sid":"([^"]+)"/.exec(opened)?.[1]
    const session = `EIO=4&transport=polling&sid=${sid}`
    if (random.chance(0.5)) await ask(session, { method: 'POST', body: '40' })
    const body = random.chance(0.05) ? 'x'.repeat(2_000_000) : random.pick(bodies)
    const type = random.pick(['text/plain;charset=UTF-8', 'application/octet-stream', 'text/html'])
    await ask(session, { method: 'POST', body, headers: { 'content-type': type } })
    await ask(session, { method: 'POST', body: '41' })
  })
  return statuses
}

/** Every label set of a metric. */
async function labelsOf(name: string): Promise<string[]> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text()
  return [...text.matchAll(new RegExp(`^${name}\\{(.*)\\} `, 'gm'))].map(
    ([, labels = '']) => labels,
  )
}

it(`10,000 malformed requests and packets disturb nobody (seed ${seed})`, {
  timeout: 180_000,
}, async () => {
  const testEnd = testScope()
  const random = createRandom(seed)
  const bystanders = await startBystanders(testScope(), gateway.url)
  const clients = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      connectClient(testEnd, gateway.url, {
        transports: [index < 6 ? 'websocket' : 'polling'],
        reconnection: false,
      }),
    ),
  )

  const wrongReplies = await sendRequests(clients, random.fork(1))
  expect(wrongReplies.slice(0, 5)).toEqual([])
  await sendUnacknowledged(clients[0] ?? expect.fail(), random.fork(2))
  for (const client of clients) expect(client.received('disconnect')).toEqual([])

  const { dropped, ignored } = await sendPackets(random.fork(3))
  expect(dropped).toBeGreaterThan(PACKETS / 4)
  expect(ignored).toBeGreaterThan(PACKETS / 20)
  expect(await sendHandshakes(random.fork(4))).toEqual([])
  const statuses = await poll(random.fork(5))
  expect(Object.keys(statuses).filter((status) => Number(status) >= 500)).toEqual([])
  expect(statuses[400]).toBeGreaterThan(POLLS / 4)

  expect(await bystanders.stop()).toBeGreaterThan(50)
  expect(gateway.running).toBe(true)
  expect(await readMetric(gateway.url, 'roomwire_unhandled_errors_total')).toBe(0)
  expect(
    await readMetric(gateway.url, 'roomwire_requests_refused_total', { code: 'INTERNAL' }),
  ).toBe(0)
  expect(await readMetric(gateway.url, 'roomwire_requests_ignored_total')).toBeGreaterThan(100)
  expect(gateway.logs.filter(({ level }) => level >= 50)).toEqual([])
  expect(await readMetric(gateway.url, 'roomwire_packets_refused_total')).toBeGreaterThan(
    PACKETS / 4,
  )
  // A label that a client could choose would be a way to fill the memory (D8).
  for (const metric of ['disconnects', 'packets_refused', 'requests_ignored']) {
    const labels = await labelsOf(`roomwire_${metric}_total`)
    expect(labels.length, labels.join('\n')).toBeLessThan(15)
  }
})

it.each([5000, 100_000])(
  'a body of %i levels is refused, and its connection goes on',
  async (levels) => {
    const connection = await connectRaw(testScope(), gateway.url)
    connection.socket.send('40')
    await connection.packet(/^40/)
    const deep = (id: number, open: string, close: string) => {
      const body = `${open.repeat(levels)}0${close.repeat(levels)}`
      connection.socket.send(`42${id}["room:send",{"room":"r","id":"deep","body":${body}}]`)
    }
    deep(1, '[', ']')
    deep(2, '{"a":', '}')
    expect(await connection.packet(/^431/)).toContain('"message":"body: ')
    expect(await connection.packet(/^432/)).toContain('"message":"body: ')
    connection.socket.send('423["gateway:hello",{}]')
    expect(await connection.packet(/^433/)).toContain('"ok":true')
  },
)
