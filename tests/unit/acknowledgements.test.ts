import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket as TcpSocket } from 'node:net'
import { Server, type Socket } from 'socket.io'
import { expect, it, vi } from 'vitest'
import { createAcknowledgements } from '../../server/edge/acknowledgements.ts'
import { createGathering } from '../../server/edge/gathering.ts'
import { lineOf } from '../../server/edge/line.ts'
import { type ClientOptions, connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { testScope } from '../support/test-scope.ts'

type Reply = (reply: object) => void

/** A real Socket.IO server whose acknowledgements are kept until the test sends them. */
async function setUp(options?: ClientOptions) {
  const scope = testScope()
  const gathering = createGathering()
  const acknowledgements = createAcknowledgements(gathering)
  const http = createServer()
  const io = new Server(http, { parser: acknowledgements.parser })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  scope.defer(() => io.close())
  const asked: Reply[] = []
  const sockets: Socket[] = []
  io.on('connection', (socket) => {
    sockets.push(socket)
    socket.on('ask', (acknowledge: Reply) => void asked.push(acknowledge))
  })
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const client = await connectClient(scope, url, options)
  const socket = sockets[0] ?? expect.fail()
  const line = lineOf(socket.conn)
  const heard: unknown[] = []
  client.socket.onAny((event) => heard.push(event))

  /** Answers that the client waits for. */
  async function ask(count: number): Promise<Reply[]> {
    for (let index = 0; index < count; index += 1) {
      client.socket.emit('ask', (reply: unknown) => heard.push(reply))
    }
    await eventually(() => asked.length >= count)
    return asked.splice(0)
  }

  return {
    ...{ gathering, client, socket, heard, ask },
    line: () => line ?? expect.fail(),
    send(acknowledge: Reply | undefined, reply: object) {
      if (line === undefined) acknowledge?.(reply)
      else acknowledgements.send(line, acknowledge ?? expect.fail(), reply)
    },
  }
}

/** Counts what a socket's stream hands to the kernel. */
function countWrites(tcp: TcpSocket): () => number {
  const one = vi.spyOn(tcp, '_write')
  const many = vi.spyOn(tcp, '_writev' as '_write')
  return () => one.mock.calls.length + many.mock.calls.length
}

const frame = (text: string) => Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)])

it('what one turn answers and brings leaves in one write, in order', async () => {
  const { gathering, line, heard, ask, send } = await setUp()
  const acknowledge = await ask(3)
  const writes = countWrites(line().tcp)
  for (const [index, each] of acknowledge.entries()) send(each, { ok: true, index })
  gathering.beforeEnd(() => {
    expect(gathering.writeNow(line(), frame('42["message"]'))).toBe(true)
  })
  expect(writes()).toBe(0)
  await eventually(() => heard.includes('message'))
  expect(heard).toEqual([
    { ok: true, index: 0 },
    { ok: true, index: 1 },
    { ok: true, index: 2 },
    'message',
  ])
  expect(writes()).toBe(1)
})

it('stays in order with packets that Socket.IO sends itself', async () => {
  const { socket, heard, ask, send } = await setUp()
  const acknowledge = await ask(3)
  send(acknowledge[0], { number: 1 })
  socket.emit('two')
  send(acknowledge[1], { number: 3 })
  socket.emit('four')
  await eventually(() => heard.length === 4)
  send(acknowledge[2], { number: 5 })
  await eventually(() => heard.length === 5)
  expect(heard).toEqual([{ number: 1 }, 'two', { number: 3 }, 'four', { number: 5 }])
})

it('a long answer does not wait for the end of the turn', async () => {
  const { line, heard, ask, send } = await setUp()
  const acknowledge = await ask(2)
  const writes = countWrites(line().tcp)
  const text = 'ä'.repeat(100_000)
  send(acknowledge[0], { text })
  expect(writes()).toBe(1)
  send(acknowledge[1], { text: 'short' })
  await eventually(() => heard.length === 2)
  expect(heard).toEqual([{ text }, { text: 'short' }])
})

it.each(['websocket', 'polling'] as const)(
  'binary answers arrive over %s as Socket.IO sends them',
  async (transport) => {
    const { heard, ask, send } = await setUp({ transports: [transport] })
    const acknowledge = await ask(3)
    send(acknowledge[0], { number: 1 })
    send(acknowledge[1], { bytes: Buffer.from('two') })
    send(acknowledge[2], { number: 3 })
    await eventually(() => heard.length === 3)
    expect(heard).toEqual([{ number: 1 }, { bytes: expect.anything() }, { number: 3 }])
    expect(Buffer.from((heard[1] as { bytes: Buffer }).bytes).toString()).toBe('two')
  },
)

it('answers to somebody who is gone go nowhere', async () => {
  const { client, socket, ask, send } = await setUp()
  const acknowledge = await ask(2)
  send(acknowledge[0], { number: 1 })
  client.socket.disconnect()
  await eventually(() => !socket.connected)
  expect(() => send(acknowledge[1], { number: 2 })).not.toThrow()
})
