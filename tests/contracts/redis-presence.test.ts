import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { roomKeys } from '../../server/broker/redis/keys.ts'
import { createRedisPresence } from '../../server/broker/redis/presence.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { openingRoomsLinks } from '../support/rooms-link.ts'
import { testScope } from '../support/test-scope.ts'
import { describePresenceStore } from './presence-store.ts'

const scope = testScope()
let redis: RedisServer

beforeAll(async () => {
  redis = await startRedis(scope)
})

const { failures, link } = openingRoomsLinks(() => redis)

async function two() {
  const keyPrefix = `roomwire:t-${randomUUID()}`
  const [a, b] = await Promise.all([link(keyPrefix), link(keyPrefix)])
  return {
    keyPrefix,
    a: createRedisPresence(a, { keyPrefix, instance: 'one' }),
    b: createRedisPresence(b, { keyPrefix, instance: 'two' }),
    names: { a: 'one', b: 'two' },
  }
}

describePresenceStore('redis', two)

const ann = { user: { id: 'ann' }, since: 1 }

test('what nobody keeps expires, and who keeps it is told that it was lost', async () => {
  const { keyPrefix, a } = await two()
  const here = roomKeys(keyPrefix, 'r').here(a.boot)
  await a.write('r', { whole: false, present: [ann], gone: [] })
  await redis.cli('PEXPIRE', here, '5000')
  expect(await a.keep(['r', 'never'])).toEqual(['never'])
  expect(Number(await redis.cli('PTTL', here))).toBeGreaterThan(500_000)
  await redis.cli('FLUSHALL')
  expect(await a.keep(['r'])).toEqual(['r'])
})

test('nonsense from others is left out', async () => {
  const { keyPrefix, a, b } = await two()
  const told: unknown[] = []
  b.listen({
    changed: (_room, _boot, change) => void told.push(change),
    unclear: (room) => void told.push(room),
    restored: () => undefined,
  })
  await b.subscribe('r')
  const keys = roomKeys(keyPrefix, 'r')
  const change = { whole: false, present: [], gone: [] }
  for (const nonsense of [
    ...['', 'x', '{}', 'null', '{"boot":1}', '{"boot":"b","change":null}'],
    JSON.stringify({ boot: 'b', change: { ...change, present: [{}] } }),
    JSON.stringify({ boot: 'b', change: { ...change, present: [null] } }),
    JSON.stringify({ boot: 'b', change: { ...change, gone: [1] } }),
  ]) {
    await redis.cli('PUBLISH', keys.presence, nonsense)
  }
  await redis.cli('HSET', keys.here(a.boot), 'odd', 'not a number', 'ben', '7 Ben')
  await redis.cli('HSET', `${keyPrefix}:{presence}:leases`, 'odd', 'nonsense')
  expect(await a.read('r', [a.boot], { most: 10, some: 10 })).toMatchObject({
    users: [{ present: [{ user: { id: 'ben', name: 'Ben' }, since: 7 }] }],
  })
  expect((await a.leases(1000)).others).toEqual([])
  await a.write('r', { whole: false, present: [ann], gone: [] })
  await expect.poll(() => told).toEqual([{ whole: false, present: [ann], gone: [] }])
})

test('a crowd that changes at once is not told one by one', async () => {
  const { a, b } = await two()
  const unclear: string[] = []
  b.listen({
    changed: () => expect.fail('told'),
    unclear: (room) => void unclear.push(room),
    restored: () => undefined,
  })
  await b.subscribe('r')
  const present = Array.from({ length: 1500 }, (_, i) => ({ user: { id: `${i}` }, since: 1 }))
  await a.write('r', { whole: true, present, gone: [] })
  await expect.poll(() => unclear.length).toBe(2)
  expect(await b.read('r', [a.boot], { most: 2000, some: 0 })).toMatchObject({ count: 1500 })
})

test('a user who may write presence no longer keeps the link that rooms need', async () => {
  const keyPrefix = `roomwire:t-${randomUUID()}`
  await redis.cli('ACL', 'SETUSER', 'blind', 'on', '>blind', '~*', '&*', '+@all')
  const made = await link(keyPrefix, 'blind')
  await redis.cli('ACL', 'SETUSER', 'blind', '-hgetall')
  const presence = createRedisPresence(made, { keyPrefix, instance: 'one' })
  failures.length = 0
  const change = { whole: false, present: [ann], gone: [] }
  const left = { whole: false, present: [], gone: ['ann'] }
  await redis.cli('SET', roomKeys(keyPrefix, 'r').here(presence.boot), 'no hash')
  await expect(presence.leases(1000)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(presence.write('r', change)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(presence.write('r', left)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(failures).toEqual([])
  expect(made.state.name).toBe('ok')
})
