import { once } from 'node:events'
import { createServer, get } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { Server } from 'socket.io'
import { expect, test } from 'vitest'
import { admitReturns } from '../../server/edge/handshakes.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { readMetric } from '../support/metrics.ts'
import { connectRaw } from '../support/raw-connection.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

const UPGRADE = [
  'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1',
  'Host: gateway',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]
const POLL = ['GET /socket.io/?EIO=4&transport=polling HTTP/1.1', 'Host: gateway']

interface Handshake {
  socket: Socket
  /** The head of the answer and what came with it. */
  answer: string
}

/** Sends a request and leaves the connection open. */
async function ask(scope: Scope, { host, port }: GatewayProcess, request: readonly string[]) {
  const socket = connect({ host, port })
  scope.defer(() => socket.destroy())
  const handshake: Handshake = { socket, answer: '' }
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => {
    handshake.answer += chunk.toString('latin1')
  })
  await once(socket, 'connect')
  socket.write(`${request.join('\r\n')}\r\n\r\n`)
  return handshake
}

/** All of them are there before the gateway looks at the first one. */
async function askTogether(
  scope: Scope,
  gateway: GatewayProcess,
  request: readonly string[],
  count: number,
): Promise<Handshake[]> {
  gateway.signal('SIGSTOP')
  const handshakes = await Promise.all(
    Array.from({ length: count }, () => ask(scope, gateway, request)),
  )
  gateway.signal('SIGCONT')
  return handshakes
}

const status = ({ answer }: Handshake) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0)

async function answered(handshakes: readonly Handshake[]): Promise<number[]> {
  await eventually(() => handshakes.every((each) => status(each) > 0), {
    what: 'an answer for everybody',
  })
  return handshakes.map(status)
}

test('many connections at once all get in', async () => {
  const scope = testScope()
  const gateway = await startGateway(scope)
  const handshakes = await askTogether(scope, gateway, UPGRADE, 500)
  expect(new Set(await answered(handshakes))).toEqual(new Set([101]))
  expect(await readMetric(gateway.url, 'roomwire_connects_refused_total')).toBe(0)
})

test('beyond the queue a handshake is refused with 503 and Retry-After, and gets in later', async () => {
  const scope = testScope()
  const gateway = await startGateway(scope, { env: { MAX_CONNECT_QUEUE: '20' } })
  const handshakes = await askTogether(scope, gateway, UPGRADE, 500)
  const statuses = await answered(handshakes)
  const refused = handshakes.filter((each) => status(each) === 503)
  expect(statuses.filter((each) => each !== 101 && each !== 503)).toEqual([])
  expect(refused.length).toBeGreaterThan(0)
  expect(refused.length).toBeLessThan(500)
  for (const { answer } of refused) {
    expect(Number(/^Retry-After: (\d+)\r$/m.exec(answer)?.[1])).toBeGreaterThanOrEqual(1)
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))).toMatchObject({
      ok: false,
      error: { code: 'OVERLOADED', retryable: true, retryAfterMs: expect.any(Number) },
    })
  }
  const counted = await readMetric(gateway.url, 'roomwire_connects_refused_total')
  expect(counted).toBe(refused.length)
  const client = await connectClient(scope, gateway.url)
  expect(await client.ask('room:join', { room: 'r' })).toMatchObject({ recovered: true })
  const lines = gateway.logs.filter(({ msg }) => msg === 'new connections are refused')
  expect(lines).toHaveLength(1)
})

test('polling clients are refused alike, and pages of allowed origins may read it', async () => {
  const scope = testScope()
  const gateway = await startGateway(scope, {
    env: { MAX_CONNECT_QUEUE: '5', CORS_ALLOW_ORIGIN: 'https://chat.example' },
  })
  const request = [...POLL, 'Origin: https://chat.example']
  const handshakes = await askTogether(scope, gateway, request, 300)
  const statuses = new Set(await answered(handshakes))
  expect(statuses).toEqual(new Set([200, 503]))
  for (const { answer } of handshakes.filter((each) => status(each) === 503)) {
    expect(answer).toMatch(/^Access-Control-Allow-Origin: https:\/\/chat\.example\r$/im)
    expect(answer).toMatch(/^Retry-After: \d+\r$/im)
    expect(answer).toContain('"retryAfterMs":')
  }
})

test('who resets its connection while it waits harms nobody', async () => {
  const scope = testScope()
  const gateway = await startGateway(scope)
  gateway.signal('SIGSTOP')
  const handshakes = await Promise.all(
    Array.from({ length: 500 }, () => ask(scope, gateway, UPGRADE)),
  )
  gateway.signal('SIGCONT')
  await eventually(() => handshakes.some((each) => status(each) > 0))
  for (const { socket } of handshakes) socket.resetAndDestroy()
  const client = await connectClient(scope, gateway.url)
  expect(await client.ask('gateway:hello', {})).toMatchObject({ state: 'ok' })
  expect(gateway.running).toBe(true)
  await eventually(async () => (await readMetric(gateway.url, 'roomwire_connections')) === 1)
})

test('MAX_CONNECTIONS: more are refused until somebody has left', async () => {
  const scope = testScope()
  const gateway = await startGateway(scope, { env: { MAX_CONNECTIONS: '3' } })
  const clients = await Promise.all([1, 2, 3].map(() => connectClient(scope, gateway.url)))
  const one = await ask(scope, gateway, UPGRADE)
  expect(await answered([one])).toEqual([503])
  // A plain client tries again by itself, until there is room.
  const last = connectClient(scope, gateway.url)
  const refused = { reason: 'connections' }
  await eventually(
    async () => (await readMetric(gateway.url, 'roomwire_connects_refused_total', refused)) >= 2,
  )
  clients[0]?.close()
  expect(await (await last).ask('gateway:hello', {})).toMatchObject({ state: 'ok' })
})

test('probes are answered while a crowd waits to be let in', async () => {
  const scope = testScope()
  const gateway = await startGateway(scope)
  const handshakes = await askTogether(scope, gateway, UPGRADE, 1000)
  const [response] = await once(get(`${gateway.url}/health/live`), 'response')
  expect(response.statusCode).toBe(200)
  response.resume()
  expect(new Set(await answered(handshakes))).toEqual(new Set([101]))
})

test('who asks for the namespace again when nobody can be let in is told when to come back', async () => {
  const scope = testScope()
  const http = createServer()
  const io = new Server(http)
  scope.defer(() => io.close())
  let welcome = true
  const refused: string[] = []
  admitReturns(io, {
    admission: {
      waiting: 0,
      enter(newcomer) {
        if (welcome) newcomer.admit()
        else newcomer.refuse('queue', 1234)
        return () => undefined
      },
    },
    refused: (reason) => void refused.push(reason),
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const { port } = http.address() as AddressInfo
  const left = new Promise<void>((resolve) => {
    io.once('connection', (each) => each.once('disconnect', () => resolve()))
  })
  const { socket, packet, packets } = await connectRaw(scope, `http://127.0.0.1:${port}`)
  socket.send('40')
  expect(await packet(/^40/)).toBeDefined()

  welcome = false
  socket.send('41')
  await left
  socket.send('40')
  const refusal = await packet(/^44/)
  expect(JSON.parse(refusal?.slice(2) ?? '')).toMatchObject({
    data: { code: 'OVERLOADED', retryable: true, retryAfterMs: 1234 },
  })
  expect(refused).toEqual(['queue'])
  welcome = true
  socket.send('40')
  await eventually(() => packets.filter((each) => each.startsWith('40')).length === 2)
})
