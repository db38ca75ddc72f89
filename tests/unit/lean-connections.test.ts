import { once } from 'node:events'
import { createServer, IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Server, type Socket } from 'socket.io'
import { describe, expect, it } from 'vitest'
import { keepConnectionsLean } from '../../server/edge/lean-connections.ts'
import { type Client, type ClientOptions, connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { testScope } from '../support/test-scope.ts'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

/** A real Socket.IO server, lean or as it comes, that remembers requests and responses without holding them. */
async function setUp({ lean = true, cors = true } = {}) {
  const scope = testScope()
  const http = createServer()
  const requests: WeakRef<IncomingMessage>[] = []
  const io = new Server(http, cors ? { cors: { origin: '*' } } : {})
  const responses: WeakRef<ServerResponse>[] = []
  io.engine.use((_request: IncomingMessage, response: ServerResponse, next: () => void) => {
    responses.push(new WeakRef(response))
    next()
  })
  if (lean) keepConnectionsLean(io.engine)
  // Socket.IO takes away who listened to requests before.
  for (const event of ['request', 'upgrade']) {
    http.on(event, (request: IncomingMessage) => void requests.push(new WeakRef(request)))
  }
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  scope.defer(() => io.close())
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`

  return {
    http,
    io,
    requests,
    responses,
    async connect(options: ClientOptions = {}) {
      const connected = once(io, 'connection') as Promise<[Socket]>
      const client = await connectClient(scope, url, {
        ...options,
        extraHeaders: { 'user-agent': 'a browser', 'x-request-id': 'r-1', cookie: 'a=b' },
        query: { theme: 'dark' },
      })
      const [socket] = await connected
      return { client, socket }
    },
  }
}

const WAYS: readonly (readonly [string, ClientOptions])[] = [
  ['WebSocket', { transports: ['websocket'] }],
  ['polling', { transports: ['polling'] }],
  ['polling that becomes WebSocket', { transports: ['polling', 'websocket'] }],
]

describe.each(WAYS)('a connection by %s', (_name, options) => {
  const settled = (socket: Socket) =>
    eventually(() => socket.conn.transport.name === options.transports?.at(-1), {
      what: 'the transport',
    })

  async function ask(client: Client, socket: Socket): Promise<void> {
    socket.on('ask', (question: string, answer: (text: string) => void) => answer(`${question}!`))
    expect(await client.socket.timeout(5000).emitWithAck('ask', 'who')).toBe('who!')
  }

  it('says of its handshake what it says otherwise', async () => {
    const known = async (lean: boolean) => {
      const { connect } = await setUp({ lean })
      const { socket } = await connect(options)
      const { headers, url, query, address, secure, xdomain, auth } = socket.handshake
      const { request } = socket
      expect(request.headers).toBe(headers)
      return {
        ...{ query: { ...query, t: '' }, address, secure, xdomain, auth },
        headers: { ...headers, host: '', 'sec-websocket-key': '' },
        request: {
          url: url === request.url && url.replace(/&t=[^&]*/, ''),
          method: request.method,
          address: request.socket.remoteAddress,
          sameAddress: request.connection.remoteAddress === socket.conn.remoteAddress,
          client: request.socket === (request as unknown as { client: unknown }).client,
          version: request.httpVersion,
          isRequest: request instanceof IncomingMessage,
        },
      }
    }
    expect(await known(true)).toEqual(await known(false))
  })

  it('lets an application write to its request, and listen to it', async () => {
    const { connect } = await setUp()
    const { socket } = await connect(options)
    const written = { method: 'POST', url: '/', connection: socket.request.socket, session: 's-1' }
    expect(Object.assign(socket.request, written)).toMatchObject(written)
    const { request } = socket
    for (const emitter of [request, request.socket]) {
      expect(() => emitter.on('close', () => undefined)).not.toThrow()
    }
  })

  it('finds on its request what was noted there before', async () => {
    const { io, connect } = await setUp()
    io.engine.generateId = (request: IncomingMessage) => {
      Object.defineProperty(request, 'session', { value: 's-1' })
      return Promise.resolve(`id-${Math.random()}`)
    }
    const { socket } = await connect(options)
    expect(socket.request).toHaveProperty('session', 's-1')
    expect(socket.request).toHaveProperty('rawHeaders')
  })

  it('is heard, hears, and ends', async () => {
    const { connect } = await setUp()
    const { client, socket } = await connect(options)
    await settled(socket)
    await ask(client, socket)
    const ended = once(socket, 'disconnect')
    client.socket.disconnect()
    expect(await ended).toContain('client namespace disconnect')
  })

  it('keeps its first request, and no response', async () => {
    const { connect, requests, responses } = await setUp()
    const { client, socket } = await connect(options)
    await settled(socket)
    await ask(client, socket)
    // Besides, a poll that is under way has both.
    const polls = socket.conn.transport.name === 'polling' ? 1 : 0
    const alive = (refs: readonly WeakRef<object>[]) =>
      refs.filter((ref) => ref.deref() !== undefined).length
    await eventually(
      () => {
        collectGarbage()
        return alive(requests) <= 1 + polls && alive(responses) <= polls
      },
      { what: 'requests and responses to be collected' },
    )
    expect(requests.length).toBeGreaterThan(0)
    expect(responses.length).toBeGreaterThan(0)
    expect(client.socket.connected).toBe(true)
  })
})

describe('an application that listens to upgrades', () => {
  it.each([true, false])('hears the end of each of their connections (CORS: %s)', async (cors) => {
    const { http, connect } = await setUp({ cors })
    const ended: string[] = []
    http.prependListener('upgrade', (_request, socket) => {
      socket.once('close', () => ended.push('first'))
    })
    http.on('upgrade', (_request, socket) => void socket.once('close', () => ended.push('last')))
    const { client } = await connect()
    client.socket.disconnect()
    await eventually(() => ended.length === 2, { what: 'both to hear of it' })
  })
})

describe('an application with middleware of its own on the engine', () => {
  it('finds its requests as they were, and hears the end of their responses', async () => {
    const { io, connect } = await setUp()
    const ended: IncomingMessage[] = []
    io.engine.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
      Object.assign(request, { session: 's-1' })
      response.on('close', () => ended.push(request))
      next()
    })
    const { client, socket } = await connect()
    expect(socket.request).toMatchObject({ session: 's-1', httpVersion: '1.1' })
    const { request } = socket
    client.socket.disconnect()
    await eventually(() => ended.includes(request), { what: 'the response to end' })
  })
})
