import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { testScope } from '../support/test-scope.ts'

const UPGRADE = 'Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n'

async function open({ host, port }: GatewayProcess): Promise<Socket> {
  const socket = connect({ host, port })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** What comes until the other side closes. */
async function answer(socket: Socket, request: string): Promise<string> {
  let text = ''
  socket.on('data', (data) => {
    text += data
  })
  socket.write(request)
  await once(socket, 'close')
  return text
}

test('D7 no URL of an upgrade ends the process', async () => {
  const scope = testScope()
  const gateway = await startGateway(scope)
  const urls = ['//a:99999', '//[', '//%zz[', 'http://[/', '*', 'x', '/socket.io/?EIO=4&x=%zz[']
  await Promise.all(
    urls.map(async (url) => {
      const socket = await open(gateway)
      await answer(socket, `GET ${url} HTTP/1.1\r\n${UPGRADE}${KEY}\r\n`)
    }),
  )
  await connectClient(scope, gateway.url, { transports: ['websocket'] })
})

test('D7 nor does a client that resets an upgrade, refused or not', async () => {
  const scope = testScope()
  const gateway = await startGateway(scope, { env: { LIMIT_ADDRESS_CONNECTS: '2/1h' } })
  const handshake = 'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n'
  const requests = {
    'its origin': `${handshake}Origin: http://evil\r\n${UPGRADE}${KEY}\r\n`,
    'a limit': `${handshake}${UPGRADE}${KEY}\r\n`,
    'no key': `${handshake}${UPGRADE}\r\n`,
    'another path': `GET /elsewhere HTTP/1.1\r\n${UPGRADE}${KEY}\r\n`,
  }
  for (const request of Object.values(requests)) {
    for (let times = 0; times < 60; times += 1) {
      const socket = await open(gateway)
      socket.write(request)
      await sleep(times % 3)
      socket.resetAndDestroy()
    }
  }
  // Whoever was to end the process has done so by now.
  const health = async () => (await fetch(`${gateway.url}/health/live`)).ok
  await eventually(health)
  expect(gateway.running).toBe(true)
})

test('who offers another protocol is answered as if it did not', async () => {
  const scope = testScope()
  const gateway = await startGateway(scope)
  const offer =
    'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n'
  const socket = await open(gateway)
  socket.write(`GET /health/live HTTP/1.1\r\nHost: x\r\n${offer}\r\n`)
  expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*"live":true/)
  socket.destroy()

  const posting = await open(gateway)
  posting.write(
    `POST /api/rooms/r/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n${offer}\r\n{"a`,
  )
  posting.write('":"b"}')
  // There are no keys here, but the request was read.
  expect(String((await once(posting, 'data'))[0])).toMatch(/^HTTP\/1\.1 40[134]/)
})
