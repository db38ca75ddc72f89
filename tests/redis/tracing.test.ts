import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { RoomMessage } from '../../server/protocol.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startGateway } from '../support/gateway-process.ts'
import { startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

interface Span {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  attributes: { key: string; value: Record<string, unknown> }[]
}

/** Takes OTLP over HTTP, in JSON, and keeps the spans. */
async function startCollector(scope: Scope) {
  const spans: Span[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString())
    for (const { scopeSpans } of resourceSpans) {
      for (const scoped of scopeSpans) spans.push(...scoped.spans)
    }
    response.end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  scope.defer(() => void server.close())
  return { spans, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const attribute = (span: Span, name: string) => {
  const { value = {} } = span.attributes.find(({ key }) => key === name) ?? {}
  return Object.values(value)[0]
}

async function startPair(scope: Scope, env: Record<string, string>, nodeArgs: string[]) {
  const redis = await startRedis(scope)
  const gateways = await Promise.all(
    ['one', 'two'].map((instance) =>
      startGateway(scope, {
        nodeArgs,
        env: { REDIS_URL: redis.url(), INSTANCE_ID: instance, ...env },
      }),
    ),
  )
  await Promise.all(gateways.map((gateway) => gateway.ready()))
  const [ann, ben] = await Promise.all(gateways.map(({ url }) => connectClient(scope, url)))
  if (ann === undefined || ben === undefined) throw new Error('two clients')
  await Promise.all([ann, ben].map((client) => client.ask('room:join', { room: 'traced' })))
  return { ann, ben }
}

test('one trace: sent on one instance, delivered on both', async () => {
  const scope = testScope()
  const collector = await startCollector(scope)
  const { ann, ben } = await startPair(
    scope,
    { TRACING: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
    ['--import', fileURLToPath(new URL('../support/start-tracing.mjs', import.meta.url))],
  )
  await ann.ask('room:send', { room: 'traced', id: '1', body: { trace: '00-x-y-00' } })
  const message = await ben.next<RoomMessage & { trace?: string }>('room:message')
  expect(message.body).toEqual({ trace: '00-x-y-00' })

  await eventually(() => collector.spans.length === 3, { what: 'three spans' })
  const [sent, ...delivered] = collector.spans.toSorted((a, b) => b.name.localeCompare(a.name))
  expect(sent?.name).toBe('room:send')
  expect(sent && attribute(sent, 'service.instance.id')).toBe('one')
  expect(message.trace).toBe(`00-${sent?.traceId}-${sent?.spanId}-01`)
  expect(delivered.map(({ name }) => name)).toEqual(['room:message', 'room:message'])
  expect(delivered.map((span) => attribute(span, 'service.instance.id')).sort()).toEqual([
    'one',
    'two',
  ])
  for (const span of delivered) {
    expect([span.traceId, span.parentSpanId]).toEqual([sent?.traceId, sent?.spanId])
    expect(attribute(span, 'messaging.destination.name')).toBe('traced')
  }
})

test('TRACING without an SDK: messages carry nothing and go as ever', async () => {
  const scope = testScope()
  const { ann, ben } = await startPair(scope, { TRACING: 'true' }, [])
  await ann.ask('room:send', { room: 'traced', id: '1', body: 'plain' })
  expect(await ben.next('room:message')).not.toHaveProperty('trace')
})
