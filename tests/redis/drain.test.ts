import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { type Client, connectClient } from '../support/client.ts'
import { startGateway } from '../support/gateway-process.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

/** Of a client on WebSocket. */
function stopReading(client: Client): void {
  const engine = client.socket.io.engine as unknown as {
    transport: { ws: { _socket: { pause(): void } } }
  }
  engine.transport.ws._socket.pause()
}

describe('D10 drain', () => {
  it('hands clients over one by one, lets them send until then, and exits 0', async () => {
    const scope = testScope()
    const gateway = await startGateway(scope, { env: { DRAIN_NOTICE: '1s', DRAIN_PERIOD: '1s' } })
    const clients = await Promise.all(
      Array.from({ length: 10 }, () => connectClient(scope, gateway.url, { reconnection: false })),
    )
    const [first] = clients
    if (first === undefined) return expect.fail()
    await first.ask('room:join', { room: 'r' })
    gateway.signal('SIGTERM')
    const told = await Promise.all(
      clients.map((client) => client.next<{ reconnectInMs: number }>('gateway:drain')),
    )
    for (const { reconnectInMs } of told) expect(reconnectInMs).toBeGreaterThanOrEqual(1000)

    const sent = await first.ask('room:send', { room: 'r', id: 'late', body: 1 })
    expect(sent).toMatchObject({ duplicate: false, position: { offset: 1 } })
    const ready = await fetch(`${gateway.url}/health/ready`)
    expect(ready.status).toBe(503)
    expect(await ready.json()).toMatchObject({ ready: false, status: 'draining' })
    await expect(
      connectClient(scope, gateway.url, { reconnection: false, transports: ['polling'] }),
    ).rejects.toThrow()

    const byes = await Promise.all(clients.map((client) => client.next('gateway:bye')))
    for (const bye of byes) expect(bye).toMatchObject({ code: 'DRAIN', reconnect: true })
    expect(await gateway.exited).toMatchObject({ code: 0 })
  })

  it('does not wait for a client that has stopped reading', async () => {
    const scope = testScope()
    const gateway = await startGateway(scope, { env: { DRAIN_NOTICE: '0ms' } })
    const client = await connectClient(scope, gateway.url, {
      reconnection: false,
      transports: ['websocket'],
    })
    stopReading(client)
    // SIGTERM; it is killed, and exits otherwise, if it takes more than 10 s.
    expect(await gateway.stop()).toMatchObject({ code: 0 })
  })

  it('exits within SHUTDOWN_TIMEOUT, whatever clients and Redis do', async () => {
    const scope = testScope()
    const redis = await startRedis(scope)
    const env = { REDIS_URL: redis.url(), DRAIN_NOTICE: '10s', SHUTDOWN_TIMEOUT: '500ms' }
    const gateway = await startGateway(scope, { env })
    await gateway.ready()
    const client = await connectClient(scope, gateway.url, {
      reconnection: false,
      transports: ['websocket'],
    })
    await client.ask('room:join', { room: 'r' })
    stopReading(client)
    redis.pause()
    const begun = performance.now()
    gateway.signal('SIGTERM')
    expect(await gateway.exited).toMatchObject({ code: 0 })
    expect(performance.now() - begun).toBeLessThan(1400) // promised: 0.5 s; on a busy machine
  })

  it('POST /api/drain does the same, for operators only', async () => {
    const scope = testScope()
    const gateway = await startGateway(scope, {
      env: { DRAIN_NOTICE: '0ms', OPERATOR_TOKEN: 'let me' },
    })
    const drain = (headers: Record<string, string>) =>
      fetch(`${gateway.url}/api/drain`, { method: 'POST', headers })
    expect((await drain({})).status).toBe(401)
    expect((await drain({ authorization: 'Bearer wrong' })).status).toBe(403)
    expect((await drain({ authorization: 'Bearer let me' })).status).toBe(202)
    expect(await gateway.exited).toMatchObject({ code: 0 })
  })

  it('without a token, POST /api/drain is for loopback and not for a proxy there', async () => {
    const scope = testScope()
    const gateway = await startGateway(scope, { env: { DRAIN_NOTICE: '0ms' } })
    const drain = (headers: Record<string, string>) =>
      fetch(`${gateway.url}/api/drain`, { method: 'POST', headers })
    expect((await drain({ 'x-forwarded-for': '127.0.0.1' })).status).toBe(403)
    expect((await drain({})).status).toBe(202)
    expect(await gateway.exited).toMatchObject({ code: 0 })
  })

  it('sends away, not off, who joins the namespace while it drains', async () => {
    const scope = testScope()
    const gateway = await startGateway(scope, { env: { DRAIN_NOTICE: '1s', DRAIN_PERIOD: '0ms' } })
    const first = await connectClient(scope, gateway.url, { reconnection: false })
    const late = new WebSocket(
      `${gateway.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`,
    )
    scope.defer(() => late.terminate())
    const packets: string[] = []
    late.on('message', (data) => void packets.push(String(data)))
    const closed = once(late, 'close')
    await once(late, 'open')
    gateway.signal('SIGTERM')
    await first.next('gateway:drain')
    late.send('40') // it was let in before
    await closed
    expect(packets).not.toContain('41') // plain clients stay away after that
    expect(packets.some((packet) => packet.startsWith('42["gateway:bye"'))).toBe(true)
    expect(await gateway.exited).toMatchObject({ code: 0 })
  })

  it('does not drain because a page asks', async () => {
    const scope = testScope()
    const { url } = await startGateway(scope)
    for (const headers of [
      { origin: 'https://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
    ]) {
      expect((await fetch(`${url}/api/drain`, { method: 'POST', headers })).status).toBe(403)
    }
    expect((await fetch(`${url}/health/ready`)).status).toBe(200)
  })
})
