import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket as TcpSocket } from 'node:net'
import { Server } from 'socket.io'
import { describe, expect, it, vi } from 'vitest'
import { cutOff, waitingBytes, waitingPackets } from '../../server/edge/engine.ts'
import { createGathering } from '../../server/edge/gathering.ts'
import { type Line, lineOf } from '../../server/edge/line.ts'
import { createOutlet, type SocketMember } from '../../server/edge/outlet.ts'
import type { Pace } from '../../server/edge/pace.ts'
import { textFrame } from '../../server/edge/web-socket-frame.ts'
import type { RoomMessage } from '../../server/protocol.ts'
import type { Entry } from '../../server/rooms/message-log.ts'
import { makeCertificates } from '../support/certificates.ts'
import { type Client, type ClientOptions, connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

const ROOM = 'room "1" 😀\u2028'
const EPOCH = 'e-1'

/** Messages that wait for others come after what is written meanwhile, on a busy machine in any test. */
const AT_ONCE: Pace = { holdMs: () => 0, flushed: () => undefined }

/** A real Socket.IO server with an outlet, without anything else of ours. */
async function setUp(
  options: {
    maxBacklogBytes?: number
    perMessageDeflate?: boolean
    tls?: boolean
    pace?: Pace
  } = {},
) {
  const scope = testScope()
  const http = options.tls ? await secureServer(scope) : createServer()
  const io = new Server(http, { perMessageDeflate: options.perMessageDeflate ?? false })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  scope.defer(() => io.close())
  const scheme = options.tls ? 'https' : 'http'
  const url = `${scheme}://127.0.0.1:${(http.address() as AddressInfo).port}`

  let delivered = 0
  const slow: SocketMember[] = []
  const gathering = createGathering()
  const outlet = createOutlet({
    gathering,
    delivered(count) {
      delivered += count
    },
    tooSlow: (member) => void slow.push(member),
    limits: { maxBacklogBytes: options.maxBacklogBytes ?? 1e9, maxBehindMs: 60_000 },
    pace: options.pace ?? AT_ONCE,
  })
  const members = new Set<SocketMember>()
  io.on('connection', (socket) => {
    const member: SocketMember = {
      user: { id: 'somebody' },
      id: socket.id,
      socket,
      line: lineOf(socket.conn),
      backlog: 0,
      behindSince: 0,
    }
    members.add(member)
    socket.conn.once('upgrade', () => {
      member.line = lineOf(socket.conn)
    })
  })

  let offset = 0
  const entries: Entry[] = []
  return {
    gathering,
    outlet,
    members,
    slow,
    entries,
    delivered: () => delivered,
    connect: (client?: ClientOptions) => connectClient(scope, url, client),
    memberOf(client: Client): SocketMember {
      return [...members].find(({ id }) => id === client.socket.id) ?? expect.fail()
    },
    send(body: unknown = null, to: ReadonlySet<SocketMember> = members): void {
      offset += 1
      const content = JSON.stringify({ id: `m${offset}`, from: { id: 'ann' }, body })
      const entry = { offset, at: 1000 + offset, prevAt: 999 + offset, content }
      entries.push(entry)
      outlet.message(ROOM, to, EPOCH, entry)
    },
  }
}

async function secureServer(scope: Scope) {
  const { certFile, keyFile } = await makeCertificates(scope)
  return createSecureServer({ cert: await readFile(certFile), key: await readFile(keyFile) })
}

/** What a member has to have received. */
const asMessages = (entries: readonly Entry[]): RoomMessage[] =>
  entries.map(({ offset, at, content }) => ({
    room: ROOM,
    epoch: EPOCH,
    offset,
    at,
    ...JSON.parse(content),
  }))

async function received(client: Client, count: number): Promise<readonly RoomMessage[]> {
  await eventually(() => client.messages(ROOM).length >= count, { what: `${count} messages` })
  return client.messages(ROOM)
}

describe('the installed engine.io and ws', () => {
  it('take complete frames on a WebSocket, not on polling', async () => {
    const { connect, memberOf } = await setUp()
    const websocket = await connect({ transports: ['websocket'] })
    const polling = await connect({ transports: ['polling'] })
    const line = memberOf(websocket).line ?? expect.fail()
    expect(line.tcp.remoteAddress).toBe('127.0.0.1')
    expect(line.descriptor).toBeGreaterThanOrEqual(0)
    expect(memberOf(polling).line).toBeUndefined()
  })

  it('let frames past their queue exactly while nothing waits, and keep the order', async () => {
    const { connect, gathering, memberOf } = await setUp()
    const client = await connect()
    const { socket, line = expect.fail() as Line } = memberOf(client)
    const heard: unknown[] = []
    client.socket.onAny((event) => heard.push(event))
    // 42["now"], 42["then"]: complete text frames.
    const frame = (text: string) =>
      Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)])
    expect(gathering.writeNow(line, frame('42["now"]'))).toBe(true)
    socket.emit('one')
    // Written, but its callback has not come: what follows has to queue behind it.
    expect(gathering.writeNow(line, frame('42["never"]'))).toBe(false)
    socket.emit('two')
    await eventually(() => heard.includes('two'))
    expect(gathering.writeNow(line, frame('42["then"]'))).toBe(true)
    await eventually(() => heard.includes('then'))
    expect(heard).toEqual(['now', 'one', 'two', 'then'])
    client.socket.disconnect()
    await eventually(() => !socket.connected)
    expect(gathering.writeNow(line, frame('42["late"]'))).toBe(false)
  })

  it('show the packets that wait, and keep them in the array that was shown', async () => {
    const { connect, memberOf, send } = await setUp()
    const { socket } = memberOf(await connect())
    const { conn } = socket
    expect(Array.isArray(Reflect.get(conn, 'writeBuffer'))).toBe(true)
    expect(waitingPackets(conn)).toEqual([])
    // The first is on its way to the kernel, the second waits for it.
    socket.emit('one', 'x'.repeat(100))
    socket.emit('two', 'y'.repeat(100))
    expect(waitingPackets(conn)).toHaveLength(1)
    expect(waitingBytes(conn)).toBeGreaterThan(100)
    send('z'.repeat(1000))
    expect(waitingPackets(conn)).toBe(Reflect.get(conn, 'writeBuffer'))
  })
})

describe('frames', () => {
  it('are what a client decodes', async () => {
    const { connect, send, entries } = await setUp()
    const client = await connect()
    const bodies = [
      null,
      '',
      'ä € 😀 \u2028\u2029 \u0000 "\\',
      '\ud800 alone',
      { deep: [[{ er: [1, -0.5, 1e300, true, false, null] }]] },
      { __proto__: 1, constructor: 2, 'room:message': 3 },
      JSON.parse('{"__proto__":{"polluted":true}}'),
    ]
    for (const body of bodies) send(body)
    expect(await received(client, bodies.length)).toEqual(asMessages(entries))
  })

  it('of other rooms go on after those of one could not be written', async () => {
    const { connect, members, gathering } = await setUp()
    const client = await connect()
    const flushes: (() => void)[] = []
    const outlet = createOutlet({
      gathering: { ...gathering, beforeEnd: (flush) => void flushes.push(flush) },
      delivered: () => undefined,
      tooSlow: () => undefined,
      limits: { maxBacklogBytes: 1e9, maxBehindMs: 60_000 },
    })
    const broken = new Set([{ id: 'broken' } as SocketMember])
    const [first, second] = [1, 2].map((offset) => {
      const content = JSON.stringify({ id: `m${offset}`, from: { id: 'ann' }, body: null })
      return { offset, at: 1000 + offset, prevAt: 999 + offset, content }
    }) as [Entry, Entry]
    outlet.message('another', broken, EPOCH, first)
    outlet.message(ROOM, members, EPOCH, first)
    expect(() => flushes.shift()?.()).toThrow(TypeError)
    outlet.message(ROOM, members, EPOCH, second)
    flushes.shift()?.()
    expect(await received(client, 2)).toEqual(asMessages([first, second]))
  })

  // The length of a WebSocket frame is written in one of three ways (RFC 6455, 5.2).
  it.each([125, 126, 127, 65_535, 65_536, 65_537, 200_000])(
    'of %i bytes are whole, alone and together, with multi-byte characters',
    async (bytes) => {
      const { connect, members, outlet } = await setUp()
      const client = await connect()
      const message = {
        room: 'r',
        epoch: 'e',
        offset: 1,
        at: 1,
        id: 'm',
        from: { id: 'a' },
        body: '',
      }
      const room = bytes - Buffer.byteLength(`42["room:message",${JSON.stringify(message)}]`)
      expect(room).toBeGreaterThanOrEqual(0)
      message.body = `${'€'.repeat(Math.floor(room / 3))}${'x'.repeat(room % 3)}`
      const { id, from, body } = message
      const entry = { offset: 1, at: 1, prevAt: 0, content: JSON.stringify({ id, from, body }) }
      outlet.message('r', members, 'e', entry)
      expect(await client.next('room:message')).toEqual(message)
      for (let i = 0; i < 3; i += 1) outlet.message('r', members, 'e', entry)
      for (let i = 0; i < 3; i += 1) expect(await client.next('room:message')).toEqual(message)
    },
  )

  it('go to the kernel past the stream of their socket', async () => {
    const { connect, memberOf, send, entries } = await setUp()
    const client = await connect()
    const { tcp } = memberOf(client).line ?? expect.fail()
    const writes = vi.spyOn(tcp, '_write')
    for (let i = 0; i < 5; i += 1) {
      send(i)
      await received(client, i + 1)
    }
    expect(await received(client, 5)).toEqual(asMessages(entries))
    expect(writes).not.toHaveBeenCalled()
  })

  it('that the kernel does not take stay in order with what others write', async () => {
    const { connect, memberOf, send, entries } = await setUp()
    const client = await connect()
    const { socket, line = expect.fail() as Line } = memberOf(client)
    const heard: unknown[] = []
    client.socket.onAny((event, payload) => heard.push(payload?.offset ?? event))
    const expected: unknown[] = []
    const post = (body: unknown) => {
      send(body)
      expected.push(entries.length)
    }
    stalledSocket(client).pause()
    // Sizes that end at any place of the kernel's buffer, past its end, and after it was emptied.
    for (let round = 0; round < 3; round += 1) {
      await eventually(
        () => {
          post('x'.repeat(1 + ((entries.length * 7919) % 60_000)))
          return line.tcp.writableLength > 0
        },
        { intervalMs: 0, what: 'a full buffer' },
      )
      post('behind it')
      await new Promise((resolve) => setTimeout(resolve, 5))
      socket.emit(`round ${round}`)
      expected.push(`round ${round}`)
      post('last')
      stalledSocket(client).resume()
      await eventually(() => heard.length === expected.length, { what: 'all of it' })
      expect(heard).toEqual(expected)
      stalledSocket(client).pause()
    }
    stalledSocket(client).resume()
    expect(client.messages(ROOM)).toEqual(asMessages(entries))
  })

  it('wait for others as the pace says, but not once they are long together', async () => {
    const flushed: number[] = []
    const pace: Pace = {
      holdMs: () => 60_000,
      flushed: (_begin, _end, _writes, deliveries) => void flushed.push(deliveries),
    }
    const { connect, send, entries } = await setUp({ pace })
    const client = await connect()
    for (let i = 0; i < 3; i += 1) {
      send('x'.repeat(20_000))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(client.messages(ROOM)).toEqual([])
    send('x'.repeat(6000))
    send('in the same turn')
    expect(await received(client, 5)).toEqual(asMessages(entries))
    expect(flushed).toEqual([5])

    // What comes next waits again.
    send('x'.repeat(20_000))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(client.messages(ROOM)).toHaveLength(5)
    send('x'.repeat(70_000))
    expect(await received(client, 7)).toEqual(asMessages(entries))
  })

  it('are encrypted where the connection is', async () => {
    const { connect, memberOf, send, entries } = await setUp({ tls: true })
    const client = await connect({ rejectUnauthorized: false })
    const line = memberOf(client).line ?? expect.fail()
    expect(line.descriptor).toBe(-1)
    for (let i = 0; i < 5; i += 1) {
      send('x'.repeat(i * 1000))
      await received(client, i + 1)
    }
    expect(await received(client, 5)).toEqual(asMessages(entries))
  })

  it('are not sent where ws would compress them', async () => {
    const { connect, memberOf, send, entries } = await setUp({ perMessageDeflate: true })
    const client = await connect()
    expect(memberOf(client).line).toBeUndefined()
    for (let i = 0; i < 3; i += 1) send('x'.repeat(5000))
    expect(await received(client, 3)).toEqual(asMessages(entries))
  })
})

describe('order', () => {
  /** Notes what a client receives, in order. */
  function note(client: Client): string[] {
    const seen: string[] = []
    client.socket.onAny((event: string, payload: { offset?: number }) =>
      seen.push(event === 'room:message' ? `message ${payload.offset}` : event),
    )
    return seen
  }

  it.each(['websocket', 'polling'] as const)(
    'D5 flushed messages come before what is emitted next, others after, on %s',
    async (transport) => {
      const { connect, memberOf, send, outlet } = await setUp()
      const client = await connect({ transports: [transport] })
      const seen = note(client)
      const { socket } = memberOf(client)
      send()
      send()
      outlet.flush(ROOM)
      socket.emit('acknowledgement')
      send()
      socket.emit('in the same turn')
      await eventually(() => seen.length === 5)
      expect(seen).toEqual([
        'message 1',
        'message 2',
        'acknowledgement',
        'in the same turn',
        'message 3',
      ])
    },
  )

  it.each(['websocket', 'polling'] as const)(
    'D6 a reset comes after the messages before it, on %s',
    async (transport) => {
      const { connect, members, send, outlet } = await setUp()
      const client = await connect({ transports: [transport] })
      const seen = note(client)
      send()
      send()
      outlet.reset(ROOM, members, { epoch: 'e-2', offset: 9, at: 9 })
      send()
      await eventually(() => seen.length === 4)
      expect(seen).toEqual(['message 1', 'message 2', 'room:reset', 'message 3'])
      expect(client.received('room:reset')).toEqual([
        { room: ROOM, position: { epoch: 'e-2', offset: 9, at: 9 } },
      ])
    },
  )

  it('a reset to an empty room has no time', async () => {
    const { connect, members, outlet } = await setUp()
    const client = await connect()
    outlet.reset(ROOM, members, { epoch: 'e-2', offset: 0, at: 0 })
    expect(await client.next('room:reset')).toEqual({
      room: ROOM,
      position: { epoch: 'e-2', offset: 0 },
    })
  })

  it('D3 WebSockets and polling clients of one room see the same', async () => {
    const { connect, send, entries, delivered } = await setUp()
    const clients = [
      await connect({ transports: ['websocket'] }),
      await connect({ transports: ['polling'] }),
      await connect({ transports: ['websocket'] }),
      await connect({ transports: ['polling'] }),
    ]
    for (let burst = 0; burst < 20; burst += 1) {
      for (let i = 0; i <= burst % 5; i += 1) send({ burst, i })
      await new Promise((resolve) => setImmediate(resolve))
    }
    for (const client of clients) {
      expect(await received(client, entries.length)).toEqual(asMessages(entries))
    }
    expect(delivered()).toBe(clients.length * entries.length)
  })

  it('D3 nothing is lost, repeated or reordered while transports are upgraded', async () => {
    const { connect, send, entries, members } = await setUp()
    const clients = await Promise.all(
      Array.from({ length: 8 }, () => connect({ transports: ['polling', 'websocket'] })),
    )
    // What each client missed before it was a member is none of the outlet's business.
    const joined = entries.length
    const upgraded = () => [...members].every(({ line }) => line !== undefined)
    await eventually(
      () => {
        send({ some: 'thing' })
        send('x'.repeat(300))
        return upgraded()
      },
      { intervalMs: 1, what: 'every upgrade' },
    )
    for (let i = 0; i < 10; i += 1) send(i)
    for (const client of clients) {
      expect(await received(client, entries.length - joined)).toEqual(
        asMessages(entries.slice(joined)),
      )
    }
  })
})

describe('members', () => {
  it.each([
    { count: 3, corked: 1 },
    { count: 70, corked: 0 },
  ])(
    '$count of them: what was gathered for others waits only for few',
    async ({ count, corked }) => {
      const { connect, members, memberOf, gathering, entries, send } = await setUp()
      const [sender = expect.fail(), ...others] = await Promise.all(
        Array.from({ length: count + 1 }, () => connect()),
      )
      const { line = expect.fail() as Line } = memberOf(sender)
      members.delete(memberOf(sender))
      const whileWriting: number[] = []
      const outlet = createOutlet({
        gathering,
        delivered: () => void whileWriting.push(line.tcp.writableCorked),
        tooSlow: () => undefined,
        limits: { maxBacklogBytes: 1e9, maxBehindMs: 60_000 },
      })
      send()
      const heard = new Promise((resolve) => sender.socket.onAny(resolve))
      expect(gathering.write(line, textFrame('2["acknowledged"]'))).toBe(true)
      outlet.message(ROOM, members, EPOCH, entries[0] ?? expect.fail())
      expect(await heard).toBe('acknowledged')
      for (const client of others) expect(await received(client, 2)).toHaveLength(2)
      expect(whileWriting).toEqual([corked])
    },
  )

  it('that left before the end of the turn receive nothing', async () => {
    const { connect, memberOf, members, send } = await setUp()
    const [stays, leaves] = [await connect(), await connect()]
    send('heard by one')
    members.delete(memberOf(leaves))
    await received(stays, 1)
    memberOf(stays).socket.emit('end')
    await stays.next('end')
    expect(leaves.messages(ROOM)).toEqual([])
  })

  it('whose connection has ended do not disturb the others', async () => {
    const { connect, memberOf, send, entries } = await setUp()
    const [stays, ends] = [await connect(), await connect()]
    memberOf(ends).socket.conn.close()
    for (let i = 0; i < 5; i += 1) send(i)
    expect(await received(stays, 5)).toEqual(asMessages(entries))
  })

  it('whose connection was reset do not disturb the others, and are gone', async () => {
    const { connect, memberOf, send, entries } = await setUp()
    const [stays, ends] = [await connect(), await connect()]
    const { socket, line = expect.fail() as Line } = memberOf(ends)
    // What follows is written before this process hears of it.
    stalledSocket(ends).resetAndDestroy()
    while (line.tcp.writableLength === 0 && socket.connected) {
      for (let i = 0; i < 100; i += 1) {
        send(i)
        memberOf(stays).socket.emit('turn')
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    expect(await received(stays, entries.length)).toEqual(asMessages(entries))
    await eventually(() => !socket.connected)
    // Another connection may have its descriptor now.
    const later = await connect()
    const before = entries.length
    for (let i = 0; i < 5; i += 1) send(i)
    expect(await received(later, 5)).toEqual(asMessages(entries.slice(before)))
    expect(line.tcp.writable).toBe(false)
  })

  it('D8 that do not read are told apart, and only they', async () => {
    const { connect, memberOf, send, slow, entries } = await setUp({ maxBacklogBytes: 300_000 })
    const [reads, stalls] = [await connect(), await connect()]
    stalledSocket(stalls).pause()
    await eventually(
      () => {
        for (let i = 0; i < 10; i += 1) send('x'.repeat(60_000))
        return slow.length > 0
      },
      { intervalMs: 1, what: 'a slow member' },
    )
    expect(new Set(slow)).toEqual(new Set([memberOf(stalls)]))
    expect(memberOf(reads).backlog).toBeLessThanOrEqual(300_000)
    stalledSocket(stalls).resume()
    expect(await received(reads, entries.length)).toHaveLength(entries.length)
  })
})

describe('who is cut off', () => {
  it.each([
    ['text', 'x'],
    ['binary', Buffer.from('x')],
  ])('D8 hears why, also while %s of an application is on its way', async (_kind, part) => {
    const { connect, memberOf, send } = await setUp()
    const client = await connect({ reconnection: false })
    const { socket, line = expect.fail() as Line } = memberOf(client)
    const heard: string[] = []
    client.socket.onAny((event) => void heard.push(event))
    stalledSocket(client).pause()
    await eventually(
      () => {
        send('x'.repeat(60_000))
        return line.tcp.writableLength > 0
      },
      { intervalMs: 0, what: 'a full buffer' },
    )
    socket.emit('picture', part, part)
    socket.emit('dropped')
    cutOff(socket.conn, () => void socket.emit('gateway:bye'))
    const ended = client.next('disconnect')
    stalledSocket(client).resume()
    expect(await ended).toBe('transport close')
    expect(heard.filter((event) => event !== 'room:message')).toEqual(['picture', 'gateway:bye'])
  })
})

/** The TCP socket under a client, whose receive buffers then fill up. */
function stalledSocket(client: Client): TcpSocket {
  const transport: unknown = client.socket.io.engine.transport
  return Reflect.get(Reflect.get(Object(transport), 'ws'), '_socket')
}
