import { once } from 'node:events'
import { beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { type InProcessGateway, startInProcess } from '../support/in-process.ts'
import { testScope } from '../support/test-scope.ts'

/**
 * What the protocol documents of engine.io (v4) and Socket.IO (v5) say, on a connection that uses
 * nothing of Roomwire: an application's own handlers answer.
 */
const suite = testScope()
let gateway: InProcessGateway
beforeAll(async () => {
  gateway = await startInProcess(suite, {
    WEBSOCKET_SERVER_PING_INTERVAL: '500ms',
    WEBSOCKET_SERVER_PING_TIMEOUT: '1500ms',
  })
  for (const namespace of [gateway.io, gateway.io.of('/custom')]) {
    namespace.on('connection', (socket) => {
      socket.emit('auth', socket.handshake.auth)
      socket.on('message', (...args: unknown[]) => void socket.emit('message-back', ...args))
      socket.on('ask', (...args: unknown[]) => {
        const acknowledge = args.pop() as (...values: unknown[]) => void
        acknowledge(...args)
      })
    })
  }
})

const address = (query: string) => `${gateway.url}/socket.io/?${query}`
const get = (query: string) => fetch(address(query))
const post = (query: string, body: string) => fetch(address(query), { method: 'POST', body })

async function openPolling(): Promise<string> {
  const text = await (await get('EIO=4&transport=polling')).text()
  return `EIO=4&transport=polling&sid=${JSON.parse(text.slice(1)).sid}`
}

/** Frames in order, read one by one. */
async function openWebSocket(query = 'EIO=4&transport=websocket') {
  const socket = new WebSocket(address(query).replace('http', 'ws'))
  testScope().defer(() => socket.terminate())
  const frames: (string | Buffer)[] = []
  const waiting: (() => void)[] = []
  socket.on('message', (data: Buffer, isBinary) => {
    frames.push(isBinary ? data : data.toString())
    waiting.shift()?.()
  })
  const closed = once(socket, 'close')
  await once(socket, 'open')
  return {
    send: (data: string | Buffer) => socket.send(data),
    async next(): Promise<string | Buffer> {
      if (frames.length === 0) await new Promise<void>((resolve) => waiting.push(resolve))
      return frames.shift() ?? ''
    },
    /** The next one that is no ping. */
    async told(): Promise<string | Buffer> {
      for (;;) {
        const frame = await this.next()
        if (frame !== '2') return frame
      }
    },
    closed,
  }
}

/** In the main namespace, with its greeting read. */
async function connected(namespace = '') {
  const socket = await openWebSocket()
  await socket.next()
  socket.send(`40${namespace}`)
  expect(await socket.told()).toMatch(/^40/)
  expect(await socket.told()).toBe(`42${namespace}["auth",{}]`)
  return socket
}

describe('engine.io over polling', () => {
  test('the handshake', async () => {
    const response = await get('EIO=4&transport=polling')
    expect(response.status).toBe(200)
    const text = await response.text()
    expect(text[0]).toBe('0')
    expect(JSON.parse(text.slice(1))).toEqual({
      sid: expect.any(String),
      upgrades: ['websocket'],
      pingInterval: 500,
      pingTimeout: 1500,
      maxPayload: expect.any(Number),
    })
  })

  test.each([
    ['no transport', 'EIO=4'],
    ['an unknown transport', 'EIO=4&transport=abc'],
    ['another version', 'EIO=abc&transport=polling'],
    ['an unknown session', 'EIO=4&transport=polling&sid=abc'],
  ])('refused: %s', async (_, query) => {
    expect((await get(query)).status).toBe(400)
    if (!query.includes('sid')) expect((await post(query, '4x')).status).toBe(400)
  })

  test('only GET and POST', async () => {
    const response = await fetch(address('EIO=4&transport=polling'), { method: 'PUT' })
    expect(response.status).toBe(400)
  })

  test('several packets in one payload, both ways; binary in base64', async () => {
    const session = await openPolling()
    expect(await (await post(session, '40')).text()).toBe('ok')
    const greeting = await (await get(session)).text()
    expect(greeting).toMatch(/^40\{"sid":"[\w-]{20}"\}/)
    const packets = [
      '42["message","a"]',
      '42["message","b"]',
      '451-["message",{"_placeholder":true,"num":0}]',
      'bAQID',
    ]
    expect((await post(session, packets.join('\x1e'))).status).toBe(200)
    const answers: string[] = greeting.split('\x1e').slice(1)
    while (answers.filter((packet) => packet !== '2').length < 5) {
      for (const packet of (await (await get(session)).text()).split('\x1e')) {
        answers.push(packet)
        if (packet === '2') await post(session, '3')
      }
    }
    expect(answers.filter((packet) => packet !== '2')).toEqual([
      '42["auth",{}]',
      '42["message-back","a"]',
      '42["message-back","b"]',
      '451-["message-back",{"_placeholder":true,"num":0}]',
      'bAQID',
    ])
  })

  test('a close packet ends the session, and the poll under way', async () => {
    const session = await openPolling()
    const [poll] = await Promise.all([get(session), post(session, '1')])
    expect(await poll.text()).toBe('6')
    expect((await get(session)).status).toBe(400)
  })

  test('an invalid packet, or a second poll at the same time, ends the session', async () => {
    const invalid = await openPolling()
    expect((await post(invalid, 'abc')).status).toBe(200)
    expect((await get(invalid)).status).toBe(400)
    const twice = await openPolling()
    const statuses = await Promise.all(
      [get(twice), get(twice)].map(async (poll) => (await poll).status),
    )
    expect(statuses).toContain(400)
  })

  test('no pong: the session ends', async () => {
    const session = await openPolling()
    expect(await (await get(session)).text()).toBe('2')
    await eventually(async () => (await post(session, '4x')).status === 400, {
      what: 'the end of the session',
    })
  })
})

describe('engine.io over WebSocket', () => {
  test('the handshake, then pings, which want pongs', async () => {
    const socket = await openWebSocket()
    const handshake = String(await socket.next())
    expect(JSON.parse(handshake.slice(1))).toMatchObject({ upgrades: [], pingInterval: 500 })
    for (let count = 0; count < 3; count++) {
      expect(await socket.next()).toBe('2')
      socket.send('3')
    }
    expect(await socket.next()).toBe('2')
    await socket.closed
  })

  test.each(['EIO=4', 'EIO=4&transport=abc', 'EIO=4&transport=websocket&sid=abc'])(
    'refused: %s',
    async (query) => {
      const socket = new WebSocket(address(query).replace('http', 'ws'))
      const [error] = await once(socket, 'error')
      expect(String(error)).toContain('400')
    },
  )

  test('an upgrade from polling: probe, upgrade, and nothing lost on the way', async () => {
    const session = await openPolling()
    await post(session, '40')
    await get(session)
    const socket = await openWebSocket(session.replace('polling', 'websocket'))
    socket.send('2probe')
    expect(await socket.next()).toBe('3probe')
    await post(session, '42["message","on the way"]')
    socket.send('5')
    const answers: unknown[] = []
    while (!answers.includes('42["message-back","on the way"]')) {
      answers.push(await Promise.race([socket.told(), pollOnce(session)]))
    }
    expect(answers.filter((answer) => String(answer).includes('on the way'))).toHaveLength(1)
    // Its old transport is no way in any more.
    await eventually(async () => (await get(session)).status === 400, {
      what: 'polling to be over',
    })
    socket.send('42["message","upgraded"]')
    expect(await socket.told()).toBe('42["message-back","upgraded"]')
  })
})

/** What a poll brings before the upgrade; never settles once it has nothing to say. */
async function pollOnce(session: string): Promise<string> {
  const response = await get(session)
  const text = await response.text()
  return response.status === 200 && text !== '6' ? text : new Promise(() => undefined)
}

describe('Socket.IO', () => {
  test('CONNECT to the main namespace, to another one, with a payload', async () => {
    const socket = await openWebSocket()
    await socket.next()
    socket.send('40{"session":"s-1","extra":1}')
    expect(await socket.told()).toMatch(/^40\{"sid":"[\w-]{20}"\}$/)
    expect(await socket.told()).toBe('42["auth",{"session":"s-1","extra":1}]')
    socket.send('40/custom,{"session":"s-2"}')
    expect(await socket.told()).toMatch(/^40\/custom,\{"sid":"[\w-]{20}"\}$/)
    expect(await socket.told()).toBe('42/custom,["auth",{"session":"s-2"}]')
  })

  test('CONNECT to a namespace that is not there: CONNECT_ERROR', async () => {
    const socket = await openWebSocket()
    await socket.next()
    socket.send('40/random')
    expect(await socket.told()).toBe('44/random,{"message":"Invalid namespace"}')
  })

  test('events with all kinds of JSON, with binary, and their acknowledgements', async () => {
    const socket = await connected()
    socket.send('42["message",1,"2",{"3":[true,null]}]')
    expect(await socket.told()).toBe('42["message-back",1,"2",{"3":[true,null]}]')
    socket.send('42456["ask",1,"2",{"3":[false]}]')
    expect(await socket.told()).toBe('43456[1,"2",{"3":[false]}]')
    const binary = '["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    socket.send(`452-${binary}`)
    socket.send(Buffer.from([1, 2]))
    socket.send(Buffer.from([3]))
    expect(await socket.told()).toBe(`452-${binary.replace('message', 'message-back')}`)
    expect([await socket.told(), await socket.told()]).toEqual([
      Buffer.from([1, 2]),
      Buffer.from([3]),
    ])
    socket.send('451-789["ask",{"_placeholder":true,"num":0}]')
    socket.send(Buffer.from([9]))
    expect(await socket.told()).toBe('461-789[{"_placeholder":true,"num":0}]')
    expect(await socket.told()).toEqual(Buffer.from([9]))
  })

  test('DISCONNECT leaves one namespace; the other goes on', async () => {
    const socket = await connected()
    socket.send('40/custom')
    await socket.told()
    await socket.told()
    socket.send('41')
    socket.send('42["message","nobody is there"]')
    socket.send('42/custom,["message","here"]')
    expect(await socket.told()).toBe('42/custom,["message-back","here"]')
  })

  test.each([
    ['no type', '4abc'],
    ['an event that is no array', '42{}'],
    ['an event without a name', '42[]'],
    ['a reserved name', '42["connect"]'],
    ['an unknown placeholder', '451-["message",{"_placeholder":true,"num":splice}]'],
    ['a second CONNECT', '40'],
  ])('ends the connection: %s', async (_, packet) => {
    const socket = await connected()
    socket.send(packet)
    await socket.closed
  })

  test('D9: a plain client is told nothing of ours, and what two tell it comes in order', async () => {
    const scope = testScope()
    const plain = await connectClient(scope, gateway.url)
    const member = await connectClient(scope, gateway.url)
    await member.ask('room:join', { room: 'mixed' })
    const heard: string[] = []
    plain.socket.onAny((event: string) => heard.push(event))
    const [own] = [...gateway.io.sockets.sockets.values()].filter(
      ({ id }) => id === member.socket.id,
    )
    const order: unknown[] = []
    member.socket.on('own', (number) => order.push(number))
    member.socket.on('room:message', ({ body }) => order.push(body))
    // An application's events and a room's messages share a socket: the write path keeps their order.
    for (let number = 0; number < 100; number += 2) {
      await member.ask('room:send', { room: 'mixed', id: `m-${number}`, body: number })
      await eventually(() => order.includes(number), { what: `message ${number}` })
      own?.emit('own', number + 1)
    }
    await eventually(() => order.length === 100, { what: 'everything' })
    expect(order).toEqual(Array.from({ length: 100 }, (_, number) => number))
    expect(heard).toEqual([])
  })

  test('volatile, timeouts, and namespaces of the official client', async () => {
    const scope = testScope()
    const client = await connectClient(scope, `${gateway.url}/custom`, {
      transports: ['polling', 'websocket'],
    })
    client.socket.volatile.emit('message', 'maybe')
    client.socket.emit('message', 'surely', new Uint8Array([5]))
    await eventually(() => client.received('message-back').includes('surely'), { what: 'the echo' })
    expect(await client.socket.timeout(5000).emitWithAck('ask', { a: 1 })).toEqual({ a: 1 })
    await expect(client.socket.timeout(50).emitWithAck('nobody', 1)).rejects.toThrow('timed out')
    await eventually(() => client.socket.io.engine.transport.name === 'websocket', {
      what: 'upgrade',
    })
  })
})
