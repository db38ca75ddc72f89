import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'redis'
import { startRedis } from '../../tests/support/redis-server.ts'
import type { Scope } from '../../tests/support/scope.ts'
import { openCache } from '../load/caches.ts'
import { measureLabels } from '../load/label-times.ts'
import type { Sample, Scenario, Settings } from '../scenario.ts'

const DIRECT = 'GET, directly'
const MEMORY = 'in memory'
const REDIS = 'in Redis'
const MISS = 'nowhere'
const STAMPEDE = 'nowhere, 100 at once'
const LABELS = 'labels'
const INSTANCES = 3
const CALLERS = 100
const COMPUTE_MS = 50
const LIFETIME = { ttlMs: 600_000 }
/** About what a classifier says of a message, and what an HTTP service may say. */
const VALUE = { labels: { language: 'en', topic: 'billing' }, note: 'x'.repeat(200) }

export const cache: Scenario = {
  name: 'cache',
  summary: 'what an answer of the cache takes, against asking its Redis directly',
  options: {
    keys: { default: '5000', description: 'keys that are asked for, one after the other' },
    classifier: { default: '300', description: 'ms that the classifier takes for a text' },
  },
  rivals: [],
  metrics: [
    { name: 'p50', title: 'p50', unit: 'µs' },
    { name: 'p99', title: 'p99', unit: 'µs' },
    { name: 'computed', title: 'computed', unit: '', digits: 0 },
    { name: 'all', title: 'until all have it', unit: 'ms' },
    { name: 'first', title: 'first labels', unit: 'ms' },
    { name: 'later', title: 'later labels', unit: 'ms' },
    { name: 'calls', title: 'classifier calls', unit: '', digits: 0 },
  ],
  variants: (settings) => [
    { name: DIRECT, turn: (scope) => direct(scope, settings) },
    { name: MEMORY, turn: (scope) => inMemory(scope, settings) },
    { name: REDIS, turn: (scope) => inRedis(scope, settings) },
    { name: MISS, turn: (scope) => nowhere(scope, settings) },
    { name: STAMPEDE, turn: stampede },
    { name: LABELS, turn: (scope) => labels(scope, settings) },
  ],
  claims: (results) => {
    const of = (variant: string, metric: string) =>
      results.summary(variant, 'roomwire', metric)?.median
    const ratio = (above: number | undefined, below: number | undefined) =>
      above === undefined || below === undefined ? undefined : above / below
    return [
      {
        text: 'a GET, directly ÷ an answer from memory, p50',
        measured: ratio(of(DIRECT, 'p50'), of(MEMORY, 'p50')),
        atLeast: 10,
      },
      {
        text: 'an answer from Redis ÷ a GET, directly, p50',
        measured: ratio(of(REDIS, 'p50'), of(DIRECT, 'p50')),
        atMost: 2.5,
      },
      {
        text: 'computations of a key that 100 ask for at once on three instances',
        measured: of(STAMPEDE, 'computed'),
        atMost: 1,
      },
      {
        text: 'classifier calls for one text of 50 clients on three instances',
        measured: of(LABELS, 'calls'),
        atMost: 1,
      },
      {
        text: 'first labels of a text ÷ later ones',
        measured: ratio(of(LABELS, 'first'), of(LABELS, 'later')),
        atLeast: 10,
      },
    ]
  },
}

/** Times one call for each key, after as many to warm up. */
async function timed(count: number, call: (index: number) => Promise<unknown>): Promise<Sample> {
  for (let index = -count; index < 0; index += 1) await call(index)
  const took = new Float64Array(count)
  for (let index = 0; index < count; index += 1) {
    const begun = performance.now()
    await call(index)
    took[index] = (performance.now() - begun) * 1000
  }
  took.sort()
  const at = (q: number) => took[Math.floor(q * (count - 1))]
  return { figures: { p50: at(0.5), p99: at(0.99) }, notes: [] }
}

async function direct(scope: Scope, settings: Settings): Promise<Sample> {
  const { host, port } = await startRedis(scope)
  const client = createClient({ socket: { host, port } })
  client.on('error', () => undefined)
  await client.connect()
  scope.defer(() => client.destroy())
  const text = JSON.stringify(VALUE)
  const count = settings.number('keys')
  for (let index = -count; index < count; index += 1) await client.set(`k${index}`, text)
  return timed(count, async (index) => JSON.parse((await client.get(`k${index}`)) ?? ''))
}

async function inMemory(scope: Scope, settings: Settings): Promise<Sample> {
  const own = await openCache(scope, await startRedis(scope))
  await own.getOrCompute('key', LIFETIME, () => VALUE)
  return timed(settings.number('keys'), () => own.getOrCompute('key', LIFETIME, unexpected))
}

async function inRedis(scope: Scope, settings: Settings): Promise<Sample> {
  const redis = await startRedis(scope)
  const [own, other] = [await openCache(scope, redis), await openCache(scope, redis)]
  const count = settings.number('keys')
  for (let index = -count; index < count; index += 1) {
    await other.getOrCompute(`k${index}`, LIFETIME, () => VALUE)
  }
  return timed(count, (index) => own.getOrCompute(`k${index}`, LIFETIME, unexpected))
}

async function nowhere(scope: Scope, settings: Settings): Promise<Sample> {
  const own = await openCache(scope, await startRedis(scope))
  const count = settings.number('keys')
  return timed(count, (index) => own.getOrCompute(`k${index}`, LIFETIME, () => VALUE))
}

async function stampede(scope: Scope): Promise<Sample> {
  const redis = await startRedis(scope)
  const caches = await Promise.all(Array.from({ length: INSTANCES }, () => openCache(scope, redis)))
  let computed = 0
  const compute = async () => {
    computed += 1
    await sleep(COMPUTE_MS)
    return VALUE
  }
  const begun = performance.now()
  await Promise.all(
    Array.from({ length: CALLERS }, (_, index) =>
      caches[index % INSTANCES]?.getOrCompute('key', LIFETIME, compute),
    ),
  )
  return { figures: { computed, all: performance.now() - begun }, notes: [] }
}

async function labels(scope: Scope, settings: Settings): Promise<Sample> {
  const redis = await startRedis(scope)
  const times = await measureLabels(scope, redis.url(), settings.number('classifier'))
  return { figures: { first: times.firstMs, later: times.laterMs, calls: times.calls }, notes: [] }
}

function unexpected(): never {
  throw new Error('it is in the cache')
}
