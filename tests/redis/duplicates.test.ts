import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { DuplicateCounts } from '../../server/observability/duplicate-store.ts'
import { callApi, writeApiKeys } from '../support/api-keys.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startGateway } from '../support/gateway-process.ts'
import { startInProcess } from '../support/in-process.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { sendStored } from '../support/send-stored.ts'
import { testScope } from '../support/test-scope.ts'

const room = 'r'

interface Stats {
  duplicates: {
    suppressed: number
    byCause: Partial<DuplicateCounts>
    everByCause: DuplicateCounts
  }
  cluster: { duplicates: number; duplicatesByCause: DuplicateCounts }
}

const statsOf = async ({ url }: { url: string }) =>
  (await (await fetch(`${url}/api/monitoring/stats`)).json()) as Stats

const start = (scope: Scope, redis: RedisServer, instance: string, env = {}) =>
  startGateway(scope, {
    env: {
      ...env,
      ...{ REDIS_URL: redis.url(), INSTANCE_ID: instance },
      ...{ DRAIN_NOTICE: '0ms', DRAIN_PERIOD: '0ms' },
    },
  })

describe('duplicates', () => {
  it('of a client and a backend that retry through three instances are counted exactly, by cause, also after SIGTERM and a restart', async () => {
    const scope = testScope()
    const redis = await startRedis(scope)
    const names = ['a', 'b', 'c']
    const { path, keys } = await writeApiKeys(scope)
    const env = { API_KEYS_FILE: path }
    const gateways = await Promise.all(names.map((name) => start(scope, redis, name, env)))
    await Promise.all(gateways.map((gateway) => gateway.ready()))
    const clients = await Promise.all(
      gateways.map(({ url }) => connectClient(scope, url, { session: 'one' })),
    )
    let sent = 0
    let duplicates = 0
    for (let id = 0; id < 20; id++) {
      for (let attempt = 0; attempt < 7; attempt++) {
        const client = clients[(id + attempt) % 3] ?? expect.fail()
        const reply = await sendStored(client, { room, id: `${id}`, body: attempt })
        sent += 1
        if (reply.duplicate) duplicates += 1
      }
    }
    expect(duplicates).toBe(sent - 20)
    // A backend that has lost every answer.
    for (let attempt = 0; attempt < 6; attempt++) {
      const { url } = gateways[attempt % 3] ?? expect.fail()
      const post = ['POST', `/api/rooms/${room}/messages`, { body: 1 }] as const
      const header = { 'idempotency-key': 'order 7' }
      const { status } = await callApi(url, keys['backend'], ...post, header)
      expect(status).toBe(attempt === 0 ? 201 : 200)
    }
    const exact = async (url: string, all: number) =>
      eventually(async () => (await statsOf({ url })).cluster.duplicates === all, {
        what: `${all} duplicates in the cluster`,
      })
    for (const { url } of gateways) await exact(url, 125)
    const each = await Promise.all(gateways.map(statsOf))
    // Of 7 attempts the 1st stores; the 4th and the 7th come to the same instance again.
    expect(each[0]?.cluster.duplicatesByCause).toEqual({
      ...{ retry: 40, cross_instance: 80, idempotency_key: 5, content: 0 },
    })
    expect(each.reduce((sum, { duplicates: own }) => sum + own.suppressed, 0)).toBe(125)

    // Told to stop right after one more.
    await sendStored(clients[0] ?? expect.fail(), { room, id: '0', body: 'again' })
    for (const client of clients) client.close()
    await Promise.all(gateways.map((gateway) => gateway.stop()))
    const again = await start(scope, redis, 'a')
    await again.ready()
    await exact(again.url, 126)
    const stats = await statsOf(again)
    expect(stats.duplicates).toMatchObject({ suppressed: 0, byCause: {} })
    const { retry, cross_instance, idempotency_key } = stats.duplicates.everByCause
    expect(retry + cross_instance + idempotency_key).toBe((each[0]?.duplicates.suppressed ?? 0) + 1)
  })

  it('a killed instance loses the last second of its counts at most, an outage none', async () => {
    const scope = testScope()
    const redis = await startRedis(scope)
    const [a, b] = await Promise.all(['a', 'b'].map((name) => start(scope, redis, name)))
    if (a === undefined || b === undefined) return expect.fail()
    await Promise.all([a.ready(), b.ready()])
    const client = await connectClient(scope, a.url, { session: 'one' })
    for (let i = 0; i < 5; i++) await sendStored(client, { room, id: 'x', body: 1 })
    const sum = async () => (await statsOf(b)).cluster.duplicates
    await eventually(async () => (await sum()) === 4)
    a.signal('SIGKILL')
    await a.exited
    expect(await sum()).toBe(4)

    const other = await connectClient(scope, b.url, { session: 'one' })
    for (let i = 0; i < 3; i++) await sendStored(other, { room, id: 'x', body: 1 })
    redis.pause() // perhaps in the middle of adding them up
    await sleep(3000)
    redis.resume()
    await eventually(async () => (await sum()) === 7)
    // What was added up twice would show with the next.
    await sendStored(other, { room, id: 'x', body: 1 })
    await eventually(async () => (await sum()) >= 8)
    const { cluster } = await statsOf(b)
    expect(cluster.duplicatesByCause).toMatchObject({ retry: 4, cross_instance: 4 })
  })
})

describe('CONTENT_DEDUP_WINDOW', () => {
  it.each(['redis', 'memory'])('one message for the same body of a sender, in %s', async (home) => {
    const scope = testScope()
    const env: Record<string, string> = { CONTENT_DEDUP_WINDOW: '1m' }
    if (home === 'redis') env['REDIS_URL'] = (await startRedis(scope)).url()
    const gateway = await startInProcess(scope, env)
    const ann = await connectClient(scope, gateway.url, { session: 'ann' })
    const ben = await connectClient(scope, gateway.url, { session: 'ben' })
    await ben.ask('room:join', { room })
    const send = (client: typeof ann, id: string, body: unknown) =>
      client.ask('room:send', { room, id, body })
    const first = await send(ann, '1', { text: 'Hello there', to: 'all' })
    const same = await send(ann, '2', { to: 'all', text: ' Hello  there\n' })
    expect(same).toMatchObject({ id: '2', duplicate: true, position: first.position })
    expect(await send(ann, '2', 'anything')).toMatchObject({
      ...{ duplicate: true, position: first.position },
    })
    expect(await send(ben, '1', { text: 'Hello there', to: 'all' })).toMatchObject({
      duplicate: false,
    })
    expect(await send(ann, '3', { text: 'Hello there' })).toMatchObject({ duplicate: false })
    expect((await statsOf(gateway)).duplicates).toMatchObject({
      ...{ suppressed: 2, byCause: { content: 1, retry: 1 } },
    })
    await eventually(() => ben.messages(room).length === 3)
  })
})
