import { once } from 'node:events'
import { createServer, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { type Haproxy, startHaproxy } from '../support/haproxy.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

/** What the balancer sees of a gateway: readiness, and an answer that tells who gave it. */
async function startInstance(scope: Scope, name: string) {
  const instance = { host: '127.0.0.1', port: 0, ready: true, stop: () => void server.close() }
  const server = createServer((incoming, response: ServerResponse) => {
    if (incoming.url === '/health/ready') response.statusCode = instance.ready ? 200 : 503
    response.end(JSON.stringify({ name, forwardedFor: incoming.headers['x-forwarded-for'] }))
  })
  server.on('upgrade', (_request, socket) => {
    const head = [
      'HTTP/1.1 101 Switching Protocols',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=',
      `X-Name: ${name}`,
    ]
    socket.write(`${head.join('\r\n')}\r\n\r\n`)
    scope.defer(() => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  instance.port = (server.address() as AddressInfo).port
  instance.stop = () => {
    server.close()
    server.closeAllConnections()
  }
  scope.defer(instance.stop)
  return instance
}

async function ask(url: string, cookie?: string) {
  const response = await fetch(url, cookie === undefined ? {} : { headers: { cookie } })
  expect(response.status).toBe(200)
  const body = (await response.json()) as { name: string; forwardedFor: string }
  return { ...body, setCookie: response.headers.get('set-cookie') }
}

/**
 * Asks for a new session, which only this instance can give. A busy machine may answer two checks too
 * late, and the instance is out for a second: nothing can be said then, and it is asked again.
 */
async function arrive(haproxy: Haproxy, instance: number, cookie?: string) {
  for (;;) {
    await haproxy.waitForState(instance, 'UP')
    try {
      return await ask(`${haproxy.url}/socket.io/`, cookie)
    } catch (error) {
      if ((await haproxy.states())[`instance${instance}`] === 'UP') throw error
    }
  }
}

async function isHealthy({ adminUrl }: Haproxy): Promise<void> {
  const status = async () => (await fetch(`${adminUrl}/health`)).status
  await expect.poll(status, { timeout: 10_000 }).toBe(200)
}

test('the cookie keeps a polling session on its instance, also while that one is draining', async () => {
  const scope = testScope()
  const first = await startInstance(scope, 'first')
  const second = await startInstance(scope, 'second')
  const haproxy = await startHaproxy(scope, { backends: [first, second] })

  const { name, setCookie, forwardedFor } = await arrive(haproxy, 1)
  expect(setCookie).toMatch(/^roomwire=instance\d; path=\/; HttpOnly; SameSite=Lax$/)
  expect(forwardedFor).toBe('127.0.0.1')
  const cookie = setCookie?.split(';')[0]
  for (let request = 0; request < 4; request++) {
    expect(await ask(`${haproxy.url}/socket.io/?sid=1`, cookie)).toMatchObject({ name })
  }

  const [own, index, other] = name === 'first' ? [first, 1, 2] : [second, 2, 1]
  own.ready = false
  await haproxy.waitForState(index, 'DOWN')
  expect(await ask(`${haproxy.url}/socket.io/?sid=1`, cookie)).toMatchObject({ name })
  const newcomer = await arrive(haproxy, other, cookie)
  expect(newcomer.name).not.toBe(name)

  // Only its instance knows a session: once that is gone the client is told so, and begins anew.
  own.stop()
  const url = `${haproxy.url}/socket.io/?sid=1`
  const askAgain = () => fetch(url, { headers: { cookie: `${cookie}` } })
  // Where a connection to the instance ended under a request, HAProxy ends the client's; browsers repeat.
  const lost = await askAgain().catch(askAgain)
  expect(lost.status).toBe(503)
  expect((await arrive(haproxy, other, cookie)).name).toBe(newcomer.name)
})

test('a new session whose instance has just died goes to another one at once', async () => {
  const scope = testScope()
  const instances = [await startInstance(scope, 'first'), await startInstance(scope, 'second')]
  const haproxy = await startHaproxy(scope, { backends: instances })
  const { name, setCookie } = await arrive(haproxy, 1)
  instances[name === 'first' ? 0 : 1]?.stop()
  const moved = await arrive(haproxy, name === 'first' ? 2 : 1, setCookie?.split(';')[0])
  expect(moved.name).not.toBe(name)
  expect(moved.setCookie).toContain('roomwire=instance')
})

test('a WebSocket gets no cookie', async () => {
  const scope = testScope()
  const haproxy = await startHaproxy(scope, { backends: [await startInstance(scope, 'only')] })
  const upgrade = request(`${haproxy.url}/socket.io/?transport=websocket`, {
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': 'x3JJHMbDL1EzLkh9GBhXDw==',
      'sec-websocket-version': '13',
    },
  })
  upgrade.end()
  const [response, socket] = await once(upgrade, 'upgrade')
  socket.destroy()
  expect(response.headers).toMatchObject({ 'x-name': 'only' })
  expect(response.headers).not.toHaveProperty('set-cookie')
})

test('the admin port says healthy while one instance is ready', async () => {
  const scope = testScope()
  const only = await startInstance(scope, 'only')
  const haproxy = await startHaproxy(scope, { backends: [only] })
  await isHealthy(haproxy)
  expect(await (await fetch(`${haproxy.adminUrl}/metrics`)).text()).toContain(
    'haproxy_server_status',
  )
  only.ready = false
  await haproxy.waitForState(1, 'DOWN')
  expect((await fetch(`${haproxy.adminUrl}/health`)).status).toBe(503)
})

test('a name that does not exist yet is out, and disturbs nobody', async () => {
  const scope = testScope()
  const only = await startInstance(scope, 'only')
  const haproxy = await startHaproxy(scope, {
    backends: [only],
    env: { ROOMWIRE_2: 'gateway-2.invalid:8080', ROOMWIRE_3: 'gateway-3.invalid:8080' },
  })
  for (let request = 0; request < 6; request++) {
    expect((await arrive(haproxy, 1)).name).toBe('only')
  }
  expect((await haproxy.states())['instance2']).toMatch(/MAINT|DOWN/)
  await isHealthy(haproxy)
})
