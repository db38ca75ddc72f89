import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { LabelsEvent, RoomMessage } from '../../server/protocol.ts'
import { lengthOf, startClassifier } from '../support/classifier-service.ts'
import { type Client, connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startInProcess } from '../support/in-process.ts'
import { readMetric } from '../support/metrics.ts'
import { startRedis } from '../support/redis-server.ts'
import { sendStored } from '../support/send-stored.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { testScope } from '../support/test-scope.ts'

const room = 'labelled'
const SLOW_MS = 300

describe('labels', () => {
  it('the same text of 50 clients on 3 instances is classified once; what comes later waits for nobody', async () => {
    const scope = testScope()
    const redis = await startRedis(scope)
    const service = await startClassifier(scope, (text, response, request) =>
      setTimeout(lengthOf, SLOW_MS, text, response, request),
    )
    const env = { REDIS_URL: redis.url(), CLASSIFIER: 'http', CLASSIFIER_URL: service.url }
    const gateways = await Promise.all([1, 2, 3].map(() => startInProcess(scope, env)))
    const clients = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        connectClient(scope, gateways[i % 3]?.url ?? '', { session: `s${i}` }),
      ),
    )
    const [watcher, other] = clients
    if (watcher === undefined || other === undefined) return expect.fail()
    await watcher.ask('room:join', { room })

    const body = { text: 'Hello   there ' }
    await Promise.all(clients.map((client, i) => sendStored(client, { room, id: `${i}`, body })))
    await eventually(() => watcher.received('room:labels').length === 50, { what: 'all labels' })
    expect(service.asked).toEqual(['Hello there'])
    const places = watcher.received<LabelsEvent>('room:labels').map(({ offset }) => offset)
    expect(places.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1))

    // `npm run bench -- cache` says how much sooner.
    for (let i = 0; i < 5; i++) {
      await sendStored(other, { room, id: `later ${i}`, body: { text: 'Hello there' } })
    }
    await eventually(() => watcher.received('room:labels').length === 55, { what: 'later labels' })
    expect(service.asked).toHaveLength(1)
  })

  it('follow their message, and are in history and in joins of every instance', async () => {
    const scope = testScope()
    const redis = await startRedis(scope)
    const service = await startClassifier(scope)
    const env = { REDIS_URL: redis.url(), CLASSIFIER: 'http', CLASSIFIER_URL: service.url }
    const [a, b] = await Promise.all([1, 2].map(() => startInProcess(scope, env)))
    if (a === undefined || b === undefined) return expect.fail()
    const ann = await connectClient(scope, a.url)
    const ben = await connectClient(scope, b.url)
    await ben.ask('room:join', { room })
    const events: string[] = []
    ben.socket.onAny((event: string, { offset }: { offset: number }) => {
      events.push(`${event} ${offset}`)
    })
    const bodies: [body: unknown, labels?: object][] = [
      ['text', { length: 4 }],
      [{ text: 'texts' }, { length: 5 }],
      [{ picture: 1 }],
      [7],
      ['  '],
    ]
    for (const [i, [body]] of bodies.entries())
      await ann.ask('room:send', { room, id: `${i}`, body })
    const labelled = [await ben.next('room:labels'), await ben.next('room:labels')]
    const { epoch } = ben.messages(room)[0] ?? expect.fail()
    expect(labelled).toEqual([
      { room, epoch, offset: 1, labels: { length: 4 } },
      { room, epoch, offset: 2, labels: { length: 5 } },
    ])
    expect(events.indexOf('room:message 1')).toBeLessThan(events.indexOf('room:labels 1'))
    const expected = bodies.map(([, labels]) => labels)
    const labelsOf = (messages: RoomMessage[]) => messages.map(({ labels }) => labels)
    for (const client of [ann, ben]) {
      expect(labelsOf((await client.ask('room:history', { room })).messages)).toEqual(expected)
      const joined = await client.ask('room:join', { room })
      expect(labelsOf(joined.messages)).toEqual(expected)
      const since = { epoch, offset: 1 }
      const resumed = await client.ask('room:join', { room, since })
      expect(labelsOf(resumed.messages)).toEqual(expected.slice(1))
    }
  })

  it('that an instance missed while it was cut off are in what it answers afterwards', async () => {
    const scope = testScope()
    const redis = await startRedis(scope)
    const service = await startClassifier(scope, () => undefined)
    const proxy = await startTcpProxy(scope, { target: redis })
    const common = { CLASSIFIER: 'http', CLASSIFIER_URL: service.url, CLASSIFIER_TIMEOUT: '20s' }
    const a = await startInProcess(scope, { ...common, REDIS_URL: redis.url() })
    const b = await startInProcess(scope, {
      ...common,
      REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
    })
    const ben = await connectClient(scope, b.url)
    await ben.ask('room:join', { room })
    const ann = await connectClient(scope, a.url)
    let classify: () => void = () => undefined
    service.answer((text, response, request) => {
      classify = () => lengthOf(text, response, request)
    })
    await ann.ask('room:send', { room, id: '1', body: 'text' })
    await ben.next('room:message')
    await eventually(() => service.asked.length === 1)
    await proxy.cut()
    await eventually(() => b.health().redis.rooms.state === 'down')
    classify()
    const labels = { length: 4 }
    const of = async (client: Client) =>
      (await client.ask('room:history', { room })).messages[0]?.labels
    await eventually(async () => (await of(ann)) !== undefined, { what: 'labels' })
    await proxy.heal()
    await eventually(() => b.health().redis.rooms.state === 'ok')
    expect(await of(ben)).toEqual(labels)
  })
})

describe('a classifier in trouble', () => {
  it('messages flow untouched, the breaker opens, and labels resume', {
    timeout: 60_000,
  }, async () => {
    const scope = testScope()
    const redis = await startRedis(scope)
    const service = await startClassifier(scope)
    const gateway = await startInProcess(scope, {
      REDIS_URL: redis.url(),
      CLASSIFIER: 'http',
      CLASSIFIER_URL: service.url,
      CLASSIFIER_TIMEOUT: '500ms',
    })
    const ann = await connectClient(scope, gateway.url)
    await ann.ask('room:join', { room })
    const metric = (name: string, labels: Record<string, string> = {}) =>
      readMetric(gateway.url, `roomwire_${name}`, labels)
    let sent = 0
    /** Sends texts that nobody has classified; returns the slowest acknowledgement, ms. */
    async function send(count: number): Promise<number> {
      let slowest = 0
      for (let i = 0; i < count; i++) {
        sent += 1
        const at = performance.now()
        await ann.ask('room:send', { room, id: `${sent}`, body: `text ${sent}` })
        slowest = Math.max(slowest, performance.now() - at)
      }
      return slowest
    }
    async function recovers(): Promise<void> {
      service.answer(lengthOf)
      const before = ann.received('room:labels').length
      await eventually(
        async () => {
          await send(1)
          await sleep(50)
          return ann.received('room:labels').length > before
        },
        { what: 'labels again', timeoutMs: 20_000 },
      )
      expect(await metric('classifier_breaker_open')).toBe(0)
    }

    const troubles: Record<string, Parameters<typeof service.answer>[0]> = {
      timeout: () => undefined,
      unreachable: (_text, response) => response.destroy(),
      rate_limited: (_text, response) => {
        response.writeHead(429, { 'retry-after': '0' }).end('busy')
      },
      nonsense: (_text, response) => response.end('{"labels": {"a": {"deep": 1}}} trailing'),
      error: (_text, response) => response.writeHead(500).end(),
    }
    for (const [outcome, answer] of Object.entries(troubles)) {
      service.answer(answer)
      const calls = await metric('classifier_calls_total', { outcome })
      expect(await send(10)).toBeLessThan(1000)
      await eventually(
        async () => {
          await send(1)
          return (await metric('classifier_breaker_open')) === 1
        },
        { what: `the breaker, ${outcome}`, intervalMs: 100, timeoutMs: 20_000 },
      )
      expect(await metric('classifier_calls_total', { outcome })).toBeGreaterThan(calls)
      await recovers()
    }
    expect(ann.messages(room)).toHaveLength(sent)
    const failed = await metric('classifications_total', { outcome: 'failed' })
    const labelled = await metric('classifications_total', { outcome: 'labelled' })
    expect(failed).toBeGreaterThan(0)
    await eventually(async () => ann.received('room:labels').length >= labelled)
  })

  it('a text that it refuses says nothing about others; its key goes along, and is not repeated', async () => {
    const scope = testScope()
    const dir = await mkdtemp(join(tmpdir(), 'roomwire-key-'))
    scope.defer(() => rm(dir, { recursive: true, force: true }))
    const key = join(dir, 'key')
    await writeFile(key, 'sk-secret\n')
    const keys: (string | undefined)[] = []
    const service = await startClassifier(scope, (text, response, request) => {
      keys.push(request.headers.authorization)
      if (text.startsWith('bad')) response.writeHead(422).end()
      else lengthOf(text, response, request)
    })
    const gateway = await startInProcess(scope, {
      CLASSIFIER: 'http',
      CLASSIFIER_URL: service.url,
      CLASSIFIER_API_KEY_FILE: key,
    })
    const ann = await connectClient(scope, gateway.url)
    await ann.ask('room:join', { room })
    for (let i = 0; i < 20; i++) await ann.ask('room:send', { room, id: `b${i}`, body: `bad ${i}` })
    await ann.ask('room:send', { room, id: 'good', body: 'good' })
    expect(await ann.next('room:labels')).toMatchObject({ offset: 21, labels: { length: 4 } })
    await eventually(() => service.asked.length === 21)
    expect(new Set(keys)).toEqual(new Set(['Bearer sk-secret']))
    expect(await (await fetch(`${gateway.url}/metrics`)).text()).not.toContain('sk-secret')
  })
})
