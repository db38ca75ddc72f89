import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { createRedisDuplicates } from '../../server/broker/redis/duplicates.ts'
import { noDuplicates } from '../../server/observability/duplicate-store.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { openRoomsLink } from '../support/rooms-link.ts'
import { testScope } from '../support/test-scope.ts'
import { describeDuplicateStore } from './duplicate-store.ts'

const scope = testScope()
let redis: RedisServer

beforeAll(async () => {
  redis = await startRedis(scope)
})

const link = (prefix: string) =>
  openRoomsLink(redis, prefix, { failed: (failure) => expect.fail(failure.message) })

async function two() {
  const prefix = `roomwire:t-${randomUUID()}`
  const [a, b] = await Promise.all([link(prefix), link(prefix)])
  return { prefix, a: createRedisDuplicates(a, prefix), b: createRedisDuplicates(b, prefix) }
}

describeDuplicateStore('redis', two)

test('D8 of instances that come and go, the oldest are counted together, and none is lost', async () => {
  const { prefix, a } = await two()
  const one = { ...noDuplicates(), retry: 1 }
  let totals = await a.add({ instance: 'i0', boot: 'b', sequence: 1 }, one)
  for (let index = 1; index < 300; index++) {
    totals = await a.add({ instance: `i${index}`, boot: 'b', sequence: 1 }, one)
  }
  expect(totals.cluster).toEqual({ ...noDuplicates(), retry: 300 })
  expect(Number(await redis.cli('HLEN', `${prefix}:{duplicates}`))).toBeLessThanOrEqual(256)
  expect(Number(await redis.cli('TTL', `${prefix}:{duplicates}`))).toBe(-1)
})

test('a key that holds something else is an error to nobody but who asks', async () => {
  const { prefix, a } = await two()
  await redis.cli('SET', `${prefix}:{duplicates}`, 'text')
  const by = { instance: 'a', boot: 'b', sequence: 1 }
  await expect(a.add(by, noDuplicates())).rejects.toThrow('cannot be added up')
  await redis.cli('DEL', `${prefix}:{duplicates}`)
  expect((await a.add(by, noDuplicates())).cluster).toEqual(noDuplicates())
})
