import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startGateway } from '../support/gateway-process.ts'
import { readMetric } from '../support/metrics.ts'
import { testScope } from '../support/test-scope.ts'

/** A masked WebSocket text frame (RFC 6455, 5.2) of less than 126 bytes, with a mask of zeros. */
function frame(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)])
}

test('D8 a request full of CONNECT packets costs the process nothing and others nothing', async () => {
  const scope = testScope()
  const gateway = await startGateway(scope)
  const other = await connectClient(scope, gateway.url)
  const endpoint = `${gateway.url}/socket.io/?EIO=4&transport=polling`
  const opened = await (await fetch(endpoint)).text()
  const { sid } = JSON.parse(opened.slice(1)) as { sid: string }

  const body = Array(60_000).fill('40').join('\x1e')
  const flood = fetch(`${endpoint}&sid=${sid}`, { method: 'POST', body }).catch(() => undefined)
  await other.ask('gateway:hello', {}, 3000)
  await flood
  await eventually(
    async () => (await readMetric(gateway.url, 'roomwire_connections_opened_total')) <= 51,
    { what: 'no more connections than anybody may open', timeoutMs: 3000 },
  )
  expect(await (await fetch(`${gateway.url}/health/live`)).json()).toEqual({ live: true })
})

test('D8 a client that asks without end and reads nothing is sent away', async () => {
  const scope = testScope()
  const gateway = await startGateway(scope)
  const socket = connect(gateway.port, gateway.host)
  scope.defer(() => socket.destroy())
  socket.on('error', () => undefined)
  const head = [
    'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1',
    'Host: here',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  await new Promise((resolve) => socket.once('data', resolve))
  socket.pause()
  socket.write(frame('40'))
  const open = () => readMetric(gateway.url, 'roomwire_connections')
  await eventually(async () => (await open()) === 1, { what: 'the connection' })

  const questions = Buffer.concat(Array(2000).fill(frame('421["gateway:hello",{}]')))
  const asking = setInterval(() => {
    if (socket.writableLength < 4 * questions.length) socket.write(questions)
  }, 5)
  scope.defer(() => clearInterval(asking))
  await eventually(async () => (await open()) === 0, { what: 'its end', timeoutMs: 30_000 })
  const ended = await (await fetch(`${gateway.url}/metrics`)).text()
  expect(ended).toContain('roomwire_disconnects_total{reason="slow_client"} 1')
}, 60_000)
