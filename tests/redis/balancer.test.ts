import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { JoinReply, Position } from '../../server/protocol.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startGateway } from '../support/gateway-process.ts'
import { type Haproxy, startHaproxy } from '../support/haproxy.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { createScope, type Scope } from '../support/scope.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { testScope } from '../support/test-scope.ts'

// deploy/haproxy.cfg, the file that compose.yml mounts, in front of real instances.

type Joined = { ok: boolean } & JoinReply

/** As the file says: `inter 1s fall 2`. */
const CHECKS_TO_FALL = 2

function startInstance(scope: Scope, id: string, redis: RedisServer, env = {}) {
  return startGateway(scope, {
    env: { INSTANCE_ID: id, WEBSOCKET_REDIS_URL: redis.url(), ...env },
  })
}

/** Failed checks of an instance so far, as HAProxy counts them. */
async function failedChecks({ adminUrl }: Haproxy, instance: string): Promise<number> {
  const rows = (await (await fetch(`${adminUrl}/;csv`)).text()).split('\n')
  const columns = rows[0]?.replace('# ', '').split(',') ?? []
  const row = rows
    .map((line) => line.split(','))
    .find((cells) => cells[0] === 'http' && cells[1] === instance)
  return Number(row?.[columns.indexOf('chkfail')])
}

/** Which instance a newcomer gets; undefined where it is refused. */
async function arrive(
  url: string,
  transports: ('websocket' | 'polling')[],
): Promise<string | undefined> {
  const scope = createScope()
  try {
    const client = await connectClient(scope, url, {
      ...{ reconnection: false, transports, withCredentials: true },
    })
    return (await client.ask('gateway:hello', {})).instance
  } catch {
    return undefined
  } finally {
    await scope.close()
  }
}

async function arrivals(url: string, count: number): Promise<(string | undefined)[]> {
  return Promise.all(
    Array.from({ length: count }, (_, index) =>
      arrive(url, [index % 2 === 0 ? 'websocket' : 'polling']),
    ),
  )
}

test('an instance that is not ready gets no new clients after two failed checks, and keeps those it has', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const link = await startTcpProxy(scope, { target: redis })
  const follows = { READY_FOLLOWS_REDIS: 'true' }
  const behind = { ...follows, WEBSOCKET_REDIS_URL: `redis://127.0.0.1:${link.port}` }
  const [first, second] = await Promise.all([
    startInstance(scope, 'first', redis, behind),
    startInstance(scope, 'second', redis, follows),
  ])
  const haproxy = await startHaproxy(scope, { backends: [first, second] })
  const both = await arrivals(haproxy.url, 8)
  expect(new Set(both)).toEqual(new Set(['first', 'second']))
  const direct = await connectClient(scope, first.url)

  const before = await failedChecks(haproxy, 'instance1')
  await link.cut()
  await eventually(async () => (await fetch(`${first.url}/health/ready`)).status === 503, {
    what: 'an instance that is not ready',
  })
  await haproxy.waitForState(1, 'DOWN')
  expect((await failedChecks(haproxy, 'instance1')) - before).toBe(CHECKS_TO_FALL)
  expect(new Set(await arrivals(haproxy.url, 20))).toEqual(new Set(['second']))
  expect(direct.socket.connected).toBe(true)

  await link.heal()
  await haproxy.waitForState(1, 'UP')
  await eventually(async () => (await arrivals(haproxy.url, 8)).includes('first'), {
    what: 'newcomers at the instance that is ready again',
  })
})

test('D10: an instance that drains hands its clients over through the balancer; nothing is lost', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const quick = { DRAIN_PERIOD: '2s' }
  const [first, second] = await Promise.all([
    startInstance(scope, 'first', redis, quick),
    startInstance(scope, 'second', redis, quick),
  ])
  const haproxy = await startHaproxy(scope, { backends: [first, second] })

  const problems: string[] = []
  const clients = await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const transports: ('websocket' | 'polling')[] = [index % 4 === 3 ? 'polling' : 'websocket']
      const client = await connectClient(scope, haproxy.url, { transports, withCredentials: true })
      const seen: number[] = []
      let since: unknown
      const note = (messages: readonly Position[]) => {
        for (const { epoch, offset, at } of messages) {
          seen.push(offset)
          since = { epoch, offset, at }
        }
      }
      client.socket.on('room:message', (message) => note([message]))
      // A callback, not a promise: what follows the acknowledgement must not be handled before it.
      const join = () =>
        new Promise<void>((resolve) => {
          client.socket.emit('room:join', { room: 'moving', since }, (joined: Joined) => {
            if (!joined.ok || !joined.recovered) problems.push(JSON.stringify(joined))
            note(joined.messages)
            since ??= joined.position
            resolve()
          })
        })
      await join()
      client.socket.on('connect', () => void join())
      return { client, seen, instance: (await client.ask('gateway:hello', {})).instance }
    }),
  )
  const own = clients.filter(({ instance }) => instance === 'first')
  expect(own.length).toBeGreaterThan(4)

  const sender = await connectClient(scope, second.url)
  let sent = 0
  let going = true
  const sending = (async () => {
    while (going) {
      await sender.ask('room:send', { room: 'moving', id: `m${sent}`, body: sent })
      sent += 1
      await sleep(20)
    }
  })()
  first.signal('SIGTERM')
  await haproxy.waitForState(1, 'DOWN')
  expect(new Set(await arrivals(haproxy.url, 10))).toEqual(new Set(['second']))
  expect(await first.exited).toMatchObject({ code: 0 })
  for (const { client } of own) {
    await eventually(async () => (await client.ask('gateway:hello', {})).instance === 'second', {
      what: 'everybody at the instance that is left',
      timeoutMs: 20_000,
    })
  }
  going = false
  await sending
  expect(problems).toEqual([])
  expect(sent).toBeGreaterThan(50)
  const all = Array.from({ length: sent }, (_, index) => index + 1)
  for (const { seen } of clients) {
    await eventually(() => seen.length >= sent, { what: 'all messages' })
    expect(seen).toEqual(all)
  }
})

test('metrics stay inside, however they are spelt; pages and probes pass', async () => {
  const scope = testScope()
  const gateway = await startGateway(scope, { env: { OPERATOR_TOKEN: 'o' } })
  const { url } = await startHaproxy(scope, { backends: [gateway] })
  const status = async (base: string, path: string) => (await fetch(`${base}${path}`)).status
  for (const path of ['/metrics', '/metrics/', '/METRICS', '/metrics?x=1']) {
    expect(await status(gateway.url, path), path).toBe(200)
    expect(await status(url, path), path).toBe(404)
  }
  expect(await status(url, '/health')).toBe(200)
  expect(await status(url, '/api/monitoring/stats')).toBe(401)
})
