import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { createMemoryClaims } from '../../server/broker/memory-claims.ts'
import { createMemoryStore } from '../../server/broker/memory-store.ts'
import { createRedisClaims } from '../../server/broker/redis/claims.ts'
import type { RedisLink } from '../../server/broker/redis/link.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { openRoomsLink } from '../support/rooms-link.ts'
import { testScope } from '../support/test-scope.ts'
import { describeClaimStore } from './claim-store.ts'

describeClaimStore('memory', async () => {
  const store = createMemoryStore()
  return { a: createMemoryClaims(store), b: createMemoryClaims(store) }
})

const scope = testScope()
let redis: Promise<RedisServer> | undefined

async function link(prefix: string): Promise<RedisLink> {
  redis ??= startRedis(scope)
  return openRoomsLink(await redis, prefix)
}

describeClaimStore('redis', async () => {
  const prefix = `roomwire:t-${randomUUID()}`
  const [a, b] = await Promise.all([link(prefix), link(prefix)])
  return { a: createRedisClaims(a, prefix), b: createRedisClaims(b, prefix) }
})

test('D8 claims in memory that ended do not stay', async () => {
  let now = 0
  const claims = createMemoryClaims(createMemoryStore(), () => now)
  const claim = (id: number) =>
    claims.claim({ room: 'r', group: 'g', id: `${id}`, holder: 'h', leaseMs: 100, done: false })
  for (let id = 0; id < 5000; id += 1) {
    now += 1
    expect((await claim(id)).won).toBe(true)
  }
  now += 1000
  expect((await claim(0)).won).toBe(true)
})
