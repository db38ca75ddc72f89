import { request } from 'node:http'
import { expect, test } from 'vitest'
import type { OperationsData } from '../../server/observability/operations.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startInProcess } from '../support/in-process.ts'
import { testScope } from '../support/test-scope.ts'

/** `fetch` would not let us say what browsers and proxies say. */
function status(url: string, headers: Record<string, string> = {}, method = 'GET') {
  return new Promise<number | undefined>((resolve, reject) => {
    request(url, { headers, method }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode))
    })
      .once('error', reject)
      .end()
  })
}

const paths = ['/ops/data', '/api/monitoring/stats']

test('without a token the figures are for loopback and for our own page there', async () => {
  const { url } = await startInProcess(testScope())
  const page = { 'sec-fetch-site': 'same-origin' }
  for (const path of paths) {
    expect(await status(url + path)).toBe(200)
    expect(await status(url + path, page)).toBe(200)
    expect(await status(url + path, { ...page, host: 'localhost:8080' })).toBe(200)
    // Somebody's page under a name that was made to point here.
    expect(await status(url + path, { ...page, host: 'example.com' })).toBe(403)
    expect(await status(url + path, { 'sec-fetch-site': 'cross-site' })).toBe(403)
    expect(await status(url + path, { ...page, origin: 'http://localhost:9' })).toBe(403)
    expect(await status(url + path, { ...page, 'x-forwarded-for': '10.0.0.1' })).toBe(403)
  }
  expect(await status(`${url}/api/drain`, page, 'POST')).toBe(403)
})

test('with a token they are for who has it, wherever from', async () => {
  const { url } = await startInProcess(testScope(), { OPERATOR_TOKEN: 'let me' })
  for (const path of paths) {
    expect(await status(url + path)).toBe(401)
    expect(await status(url + path, { authorization: 'Bearer let you' })).toBe(403)
    const through = { authorization: 'Bearer let me', 'x-forwarded-for': '10.0.0.1' }
    expect(await status(url + path, through)).toBe(200)
  }
  expect(await status(`${url}/ops/data?since=x`, { authorization: 'Bearer let me' })).toBe(400)
})

test('/api/monitoring/stats counts, and says what the cache is', async () => {
  const scope = testScope()
  const { url } = await startInProcess(scope, { INSTANCE_ID: 'only' })
  const ann = await connectClient(scope, url, { session: 'ann' })
  await ann.ask('room:join', { room: 'r' })
  for (const id of ['1', '1', '2', '3']) await ann.ask('room:send', { room: 'r', id, body: 1 })
  expect(await (await fetch(`${url}/api/monitoring/stats`)).json()).toMatchObject({
    cache: { status: 'memory', type: 'memory', keys: 0, hits: 0, misses: 0, hitRate: 0 },
    duplicates: { suppressed: 1, rate: 0.25, byCause: { retry: 1 } },
    connections: { current: 1, byTransport: { websocket: 1 }, opened: 1 },
    reconnections: { total: 0, byCause: {}, gapSeconds: { p50: null } },
    rooms: { local: 1, members: 1, stored: 3, delivered: 3 },
    redis: { rooms: { state: 'memory' }, cache: { state: 'memory' } },
    instance: { instance: 'only', status: 'ok', durability: 'memory' },
    cluster: { known: true, instances: 1, connections: 1, duplicates: 1 },
  })
  expect(await (await fetch(`${url}/api/monitoring/health`)).json()).toMatchObject({
    ...{ status: 'ok', instance: 'only', cache: { status: 'memory', type: 'memory' } },
  })
})

test('/ops/data brings everything to who comes from elsewhere, then only what is new', async () => {
  const { url } = await startInProcess(testScope())
  const read = async (query: string) =>
    (await (await fetch(`${url}/ops/data?${query}`)).json()) as OperationsData
  const first = async () => (await read('')).history.times.length > 0
  await eventually(first, { what: 'the first second' })
  const all = await read('boot=another&since=9e15')
  expect(all).toMatchObject({ whole: true, cluster: { known: true }, events: [] })
  const seen = `boot=${all.boot}&since=${all.history.times.at(-1)}&revision=${all.revision}`
  const next = await read(seen)
  expect(next.whole).toBe(false)
  const last = all.history.times.at(-1) ?? 0
  for (const time of next.history.times) expect(time).toBeGreaterThan(last)
  expect(Object.keys(next.history.series)).toContain('loopP99')
})
