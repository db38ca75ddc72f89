import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'socket.io'
import { describe, expect, it } from 'vitest'
import { identify } from '../../server/session/identity.ts'
import { connectClient } from '../support/client.ts'
import { startInProcess } from '../support/in-process.ts'
import { testScope } from '../support/test-scope.ts'

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

/** The bytes of the first read after a WebSocket handshake: what one write brought. */
async function firstRead(port: number, path: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const head = [
    `GET ${path} HTTP/1.1`,
    'Host: here',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${KEY}`,
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  const data = await new Promise<Buffer>((resolve, reject) => {
    socket.once('data', resolve)
    socket.once('error', reject)
    socket.once('close', () => resolve(Buffer.alloc(0)))
  })
  socket.destroy()
  return data.toString()
}

describe('a WebSocket handshake', () => {
  it('is answered together with the first packet, in one write', async () => {
    const scope = testScope()
    const { url } = await startInProcess(scope)
    const answer = await firstRead(
      Number(new URL(url).port),
      '/socket.io/?EIO=4&transport=websocket',
    )
    expect(answer).toMatch(/^HTTP\/1.1 101 /)
    expect(answer).toContain('Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
    expect(answer).toMatch(/\r\n\r\n.+0\{"sid":"/s)
  })

  it.each([
    '/socket.io/?EIO=4&transport=websocket&sid=nobody',
    '/socket.io/?EIO=4&transport=pigeon',
    '/socket.io/',
  ])('that is refused says so: %s', async (path) => {
    const scope = testScope()
    const { url } = await startInProcess(scope)
    expect(await firstRead(Number(new URL(url).port), path)).toMatch(/^HTTP\/1.1 400 /)
  })

  it('shows embedders what Socket.IO documents, to each its own', async () => {
    const scope = testScope()
    const { io, url } = await startInProcess(scope)
    const sockets: Socket[] = []
    io.on('connection', (socket) => void sockets.push(socket))
    const own = { 'x-own': 'yes', cookie: 'a=b' }
    await connectClient(scope, url, { extraHeaders: own, session: 'me' })
    await connectClient(scope, url, { query: { room: 'a b', page: '2' } })
    await connectClient(scope, url, { query: { room: 'a b', page: '2' } })
    await connectClient(scope, url, { transports: ['polling'], query: { page: '3' } })
    const [first, second, third, polling] = sockets.map(({ handshake }) => handshake)
    expect(first?.headers).toMatchObject({ ...own, upgrade: 'websocket' })
    expect(first?.auth).toMatchObject({ session: 'me' })
    expect(first?.address).toMatch(/127\.0\.0\.1$/)
    expect(first?.url).toBe('/socket.io/?EIO=4&transport=websocket')
    expect(first?.query).toEqual({ EIO: '4', transport: 'websocket' })
    expect(Math.abs(Date.parse(first?.time ?? '') - (first?.issued ?? 0))).toBeLessThan(1000)
    const query = { room: 'a b', page: '2', EIO: '4', transport: 'websocket' }
    expect(second?.query).toEqual(query)
    expect(third?.query).toEqual(query)
    expect(third?.query).not.toBe(second?.query)
    expect(polling?.query).toMatchObject({ page: '3', transport: 'polling' })
    expect(sockets[0]?.request.headers).toMatchObject(own)
  })
})

describe('the installed engine.io', () => {
  it('takes the query that it finds', async () => {
    const scope = testScope()
    const { io, http, url } = await startInProcess(scope)
    const seen: unknown[] = []
    http.prependListener('upgrade', (request: IncomingMessage & { _query?: object }) => {
      queueMicrotask(() => seen.push(request._query))
    })
    io.on('connection', (socket) => void seen.push(socket.handshake.query))
    await connectClient(scope, url)
    expect(seen).toHaveLength(2)
    expect(seen[0]).toBe(seen[1])
  })
})

describe('a session alone', () => {
  const user = (auth: unknown) => identify(auth, 'c1')

  it('is who it is beside other fields', () => {
    expect(user({ session: 'ä 😀' })).toEqual(user({ session: 'ä 😀', other: 1 }))
    expect(user({ session: 's' }).user).toEqual({ id: expect.stringMatching(/^[\w-]{16}$/) })
  })

  it.each([
    { session: '' },
    { session: 'x'.repeat(129) },
    { session: '\ud800' },
    { session: 7 },
    { session: undefined, name: '' },
  ])('that is not valid is refused: %j', (auth) => {
    expect(() => user(auth)).toThrow(/^auth\./)
  })
})
