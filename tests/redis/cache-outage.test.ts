import { describe, expect, it } from 'vitest'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startInProcess } from '../support/in-process.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

const OUTAGE_MS = Number(process.env['ROOMWIRE_CACHE_OUTAGE_MS'] ?? 2500)
/** What is promised, and as much for a machine that does other things as well. */
const TRUTH_MS = 2000 + 2000
const LIFETIME = { ttlMs: 60_000 }

interface CacheStats {
  status: string
  type: string
}

/** A gateway whose rooms and cache have a Redis each, with somebody who sends all the time. */
async function setUp(options: Parameters<typeof startRedis>[1] = {}) {
  const scope = testScope()
  const redis = await startRedis(scope, options)
  const rooms = await startRedis(scope)
  const env = { REDIS_URL: redis.url(), WEBSOCKET_REDIS_URL: rooms.url() }
  const [gateway, other] = await Promise.all([1, 2].map(() => startInProcess(scope, env)))
  if (gateway === undefined || other === undefined) return expect.fail()
  const ann = await connectClient(scope, gateway.url)
  const ben = await connectClient(scope, other.url)
  await ben.ask('room:join', { room: 'r' })
  let sent = 0
  let sending = true
  const chatter = (async () => {
    while (sending) {
      sent += 1
      await ann.ask('room:send', { room: 'r', id: `${sent}`, body: sent })
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })()
  chatter.catch(() => undefined) // reported by whoever awaits it
  scope.defer(() => {
    sending = false
  })
  const cacheOf = async ({ url }: { url: string }): Promise<CacheStats> => {
    const reply = await fetch(`${url}/api/monitoring/stats`)
    return ((await reply.json()) as { cache: CacheStats }).cache
  }
  return {
    ...{ redis, gateway, other },
    says: (status: string, timeoutMs = TRUTH_MS) =>
      eventually(async () => (await cacheOf(gateway)).status === status, {
        what: `cache.status ${status}`,
        timeoutMs,
      }),
    /** Everything that was sent came, and nobody heard of trouble. */
    async chatWasUntouched() {
      sending = false
      await chatter
      await eventually(() => ben.messages('r').length === sent)
      expect(ann.received('gateway:status')).toEqual([])
      expect(gateway.health().redis.rooms.state).toBe('ok')
    },
  }
}

async function outage(
  { gateway, other, says, chatWasUntouched }: Awaited<ReturnType<typeof setUp>>,
  begin: () => unknown,
  end: () => unknown,
): Promise<void> {
  await says('redis_connected', 10_000)
  expect(await gateway.cache.getOrCompute('before', LIFETIME, () => 1)).toBe(1)
  await begin()
  await says('redis_unavailable')
  let computed = 0
  const compute = () => {
    computed += 1
    return 'here'
  }
  for (let i = 0; i < 3; i++) {
    expect(await gateway.cache.getOrCompute('during', LIFETIME, compute)).toBe('here')
  }
  expect(computed).toBe(1)
  expect(await gateway.cache.getOrCompute('before', LIFETIME, () => 2)).toBe(1)
  await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS))
  await end()
  await says('redis_connected', 15_000)
  // Shared again.
  await eventually(() => other.health().redis.cache.state === 'ok', { timeoutMs: 15_000 })
  await gateway.cache.getOrCompute('after', LIFETIME, () => 'shared')
  expect(await other.cache.getOrCompute('after', LIFETIME, () => 'own')).toBe('shared')
  await chatWasUntouched()
}

describe('the Redis of the cache', { timeout: 60_000 + 2 * OUTAGE_MS }, () => {
  it('stops: the cache works from memory, says so, and comes back by itself', async () => {
    const all = await setUp()
    await outage(
      all,
      () => all.redis.stop(),
      () => all.redis.start(),
    )
  })

  it('freezes: the same', async () => {
    const all = await setUp()
    await outage(all, all.redis.pause, all.redis.resume)
  })

  it('gets another password: the same', async () => {
    const all = await setUp({ requirepass: 'one' })
    await outage(
      all,
      async () => {
        await all.redis.setPassword('two')
        await all.redis.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      },
      () => all.redis.setPassword('one'),
    )
  })

  it('is full under allkeys-lru: it forgets, and works', async () => {
    const limit = '4mb'
    const all = await setUp({
      config: [`maxmemory ${limit}`, 'maxmemory-policy allkeys-lru'],
    })
    const { gateway, other } = all
    await all.says('redis_connected', 10_000)
    const text = 'x'.repeat(20_000)
    for (let i = 0; i < 500; i++) {
      expect(await gateway.cache.getOrCompute(`k${i}`, LIFETIME, () => text)).toBe(text)
    }
    expect(await evicted(all.redis)).toBeGreaterThan(100)
    expect(await other.cache.getOrCompute('k499', LIFETIME, () => 'anew')).toBe(text)
    // Redis draws what it forgets: not surely the very first.
    const oldest = new Set<string>()
    for (let i = 0; i < 100; i++) {
      oldest.add(await other.cache.getOrCompute(`k${i}`, LIFETIME, () => 'anew'))
    }
    expect([...oldest].filter((each) => each !== text)).toEqual(['anew'])
    await all.says('redis_connected')
    await all.chatWasUntouched()
  })
})

async function evicted(redis: RedisServer): Promise<number> {
  const info = await redis.cli('INFO', 'stats')
  return Number(/evicted_keys:(\d+)/.exec(info)?.[1])
}
