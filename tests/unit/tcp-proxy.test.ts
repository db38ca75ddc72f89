import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import type { Scope } from '../support/scope.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { testScope } from '../support/test-scope.ts'

async function startEcho(scope: Scope, prefix = '') {
  const sockets = new Set<Socket>()
  const received: string[] = []
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (data) => {
      received.push(data.toString())
      socket.write(prefix + data.toString())
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  scope.defer(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { host: '127.0.0.1', port, received, sockets }
}

async function dial(scope: Scope, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  scope.defer(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

async function ask(socket: Socket, text: string): Promise<string> {
  socket.write(text)
  const [reply] = (await once(socket, 'data')) as [Buffer]
  return reply.toString()
}

test('passes bytes on, and counts connections', async () => {
  const scope = testScope()
  const proxy = await startTcpProxy(scope, { target: await startEcho(scope) })
  const socket = await dial(scope, proxy.port)
  expect(await ask(socket, 'hello')).toBe('hello')
  expect(proxy.connections).toBe(1)
})

test('cut destroys and refuses, heal accepts again', async () => {
  const scope = testScope()
  const proxy = await startTcpProxy(scope, { target: await startEcho(scope) })
  const socket = await dial(scope, proxy.port)
  const closed = once(socket, 'close')
  await proxy.cut()
  await closed
  await expect(dial(scope, proxy.port)).rejects.toThrow('ECONNREFUSED')
  await proxy.heal()
  expect(await ask(await dial(scope, proxy.port), 'again')).toBe('again')
})

test('stall holds both ways and loses nothing', async () => {
  const scope = testScope()
  const echo = await startEcho(scope)
  const proxy = await startTcpProxy(scope, { target: echo })
  const socket = await dial(scope, proxy.port)
  await ask(socket, 'before')
  proxy.stall()
  const reply = ask(socket, 'during')
  const direct = await dial(scope, echo.port)
  await ask(direct, 'direct')
  expect(echo.received).toEqual(['before', 'direct'])
  await proxy.heal()
  expect(await reply).toBe('during')
})

test('half-open: the target hears what it says, the client nothing', async () => {
  const scope = testScope()
  const echo = await startEcho(scope)
  const proxy = await startTcpProxy(scope, { target: echo })
  const socket = await dial(scope, proxy.port)
  await ask(socket, 'before')
  proxy.halfOpen('toClient')
  let heard = false
  socket.once('data', () => {
    heard = true
  })
  const [upstream] = echo.sockets
  const arrived = upstream && once(upstream, 'data')
  socket.write('during')
  await arrived
  expect(heard).toBe(false)
  const reply = once(socket, 'data')
  await proxy.heal()
  expect(String((await reply)[0])).toBe('during')
})

test('retarget ends connections and sends later ones elsewhere', async () => {
  const scope = testScope()
  const proxy = await startTcpProxy(scope, { target: await startEcho(scope) })
  const socket = await dial(scope, proxy.port)
  const closed = once(socket, 'close')
  proxy.retarget(await startEcho(scope, 'other '))
  await closed
  expect(await ask(await dial(scope, proxy.port), 'hi')).toBe('other hi')
})

test('late: to those who asked for it, in order; others overtake', async () => {
  const scope = testScope()
  const proxy = await startTcpProxy(scope, { target: await startEcho(scope) })
  const [slow, quick] = [await dial(scope, proxy.port), await dial(scope, proxy.port)]
  const heard: string[] = []
  slow.on('data', (chunk) => void heard.push(...String(chunk).split(' ')))
  proxy.late({ ms: 200, after: /listen/ })
  slow.write('listen')
  for (const word of [' one', ' two', ' three']) {
    await ask(quick, 'quick')
    slow.write(word)
  }
  await ask(quick, 'quick')
  expect(heard).toEqual([])
  await eventually(() => heard.includes('three'))
  expect(heard.filter((word) => word !== '')).toEqual(['listen', 'one', 'two', 'three'])
})
