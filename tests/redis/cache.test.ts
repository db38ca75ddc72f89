import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { deferred } from '../support/deferred.ts'
import { eventually } from '../support/eventually.ts'
import { type InProcessGateway, startInProcess } from '../support/in-process.ts'
import { readMetric } from '../support/metrics.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

const MINUTE = { ttlMs: 60_000 }

/** Gateways that share a cache; their rooms are in memory. */
async function startThree(scope: Scope, redis: RedisServer): Promise<InProcessGateway[]> {
  const env = { REDIS_URL: redis.url(), WEBSOCKET_MANAGER: 'memory' }
  return Promise.all([1, 2, 3].map(() => startInProcess(scope, env)))
}

const statsOf = async ({ url }: { url: string }) =>
  (await (await fetch(`${url}/api/monitoring/stats`)).json()) as {
    cache: { status: string; type: string; hits: number; misses: number }
  }

const answers = ({ url }: { url: string }, outcome: string) =>
  readMetric(url, 'roomwire_cache_answers_total', { outcome })

describe('a cache shared through Redis', () => {
  it('a stampede of 100 on three instances computes once', async () => {
    const scope = testScope()
    const gateways = await startThree(scope, await startRedis(scope, { requirepass: 'p/a:s@s' }))
    let computed = 0
    const compute = async () => {
      computed += 1
      await sleep(200)
      return { labels: ['a', 'b'] }
    }
    const asked = Array.from({ length: 100 }, (_, i) =>
      gateways[i % 3]?.cache.getOrCompute('the {same} key', MINUTE, compute),
    )
    for (const value of await Promise.all(asked)) expect(value).toEqual({ labels: ['a', 'b'] })
    expect(computed).toBe(1)
    const sum = async (outcome: string) =>
      (await Promise.all(gateways.map((each) => answers(each, outcome)))).reduce((a, b) => a + b)
    expect([await sum('computed'), await sum('redis'), await sum('shared')]).toEqual([1, 2, 97])
    const { cache } = await statsOf(gateways[0] ?? expect.fail())
    expect(cache).toMatchObject({ status: 'redis_connected', type: 'redis' })
  })

  it('another instance has a value from Redis, then from its memory', async () => {
    const scope = testScope()
    const [a, b] = await startThree(scope, await startRedis(scope))
    if (a === undefined || b === undefined) return expect.fail()
    const never = () => expect.fail('computed twice')
    await a.cache.getOrCompute('k', MINUTE, () => 'v')
    expect(await b.cache.getOrCompute('k', MINUTE, never)).toBe('v')
    expect(await b.cache.getOrCompute('k', MINUTE, never)).toBe('v')
    expect([await answers(b, 'redis'), await answers(b, 'memory')]).toEqual([1, 1])
  })

  it('a removed key is forgotten by every instance, also while it is being computed', async () => {
    const scope = testScope()
    const [a, b] = await startThree(scope, await startRedis(scope))
    if (a === undefined || b === undefined) return expect.fail()
    await a.cache.getOrCompute('k', MINUTE, () => 'one')
    await b.cache.getOrCompute('k', MINUTE, () => 'one')
    await a.cache.invalidate('k')
    await eventually(async () => (await b.cache.getOrCompute('k', MINUTE, () => 'two')) === 'two', {
      what: 'the removal',
    })
    const { promise, resolve } = deferred<string>()
    const begun = deferred()
    const outdated = a.cache.getOrCompute('other', MINUTE, () => {
      begun.resolve()
      return promise
    })
    await begun.promise
    await b.cache.invalidate('other')
    resolve('outdated')
    expect(await outdated).toBe('outdated')
    expect(await b.cache.getOrCompute('other', MINUTE, () => 'current')).toBe('current')
    await eventually(
      async () => (await a.cache.getOrCompute('other', MINUTE, () => 'none')) === 'current',
      { what: 'the current value' },
    )
  })

  it('a stale value is served at once by all, and computed anew by one', async () => {
    const scope = testScope()
    const gateways = await startThree(scope, await startRedis(scope))
    const lifetime = { ttlMs: 100, staleMs: 60_000 }
    let computed = 0
    const compute = () => {
      computed += 1
      return computed
    }
    await gateways[0]?.cache.getOrCompute('k', lifetime, compute)
    await sleep(150)
    const { promise, resolve } = deferred<number>()
    const slowly = () => {
      computed += 1
      return promise
    }
    const asked = () => gateways.map(({ cache }) => cache.getOrCompute('k', lifetime, slowly))
    expect(await Promise.all([...asked(), ...asked()])).toEqual([1, 1, 1, 1, 1, 1])
    await eventually(() => computed === 2, { what: 'the computation' })
    resolve(2)
    await eventually(async () => (await Promise.all(asked())).every((value) => value === 2), {
      what: 'the new value',
    })
  })

  it('what an instance was computing when it died is computed by another', async () => {
    const scope = testScope()
    const redis = await startRedis(scope)
    const [a, b] = await startThree(scope, redis)
    if (a === undefined || b === undefined) return expect.fail()
    const begun = deferred()
    void a.cache.getOrCompute('k', MINUTE, () => {
      begun.resolve()
      return new Promise(() => undefined)
    })
    await begun.promise
    await a.stop() // its claim is not renewed any more
    expect(await b.cache.getOrCompute('k', MINUTE, () => 'taken over')).toBe('taken over')
  })
})
