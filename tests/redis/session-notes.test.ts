import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { commandsOf } from '../../bench/redis-commands.ts'
import { createRedisLink } from '../../server/broker/redis/link.ts'
import { createRoomsProbe } from '../../server/broker/redis/probes.ts'
import { createRedisSessions } from '../../server/broker/redis/sessions.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

async function openStore(scope: Scope, redis: RedisServer) {
  const { host, port } = redis
  const link = createRedisLink({
    role: 'rooms',
    endpoint: () => ({
      ...{ host, port, database: 0 },
      ...{ username: undefined, password: undefined, tls: undefined },
    }),
    probe: createRoomsProbe(randomUUID()),
    observer: { failed: () => undefined, changed: () => undefined, probed: () => undefined },
  })
  scope.defer(() => link.close())
  await link.ready
  return { link, sessions: createRedisSessions(link, randomUUID()) }
}

test('notes of one time go out in one call, in order, and each gets its own answer', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const { sessions } = await openStore(scope, redis)

  expect(await sessions.opened('s', 'c1', 'one')).toBeUndefined()
  await redis.cli('CONFIG', 'RESETSTAT')
  const formers = await Promise.all([
    sessions.opened('s', 'c2', 'two'), // c1 was not seen to end
    sessions.closed('s', 'c1', 'one', 'late'), // is not the last one any more
    sessions.closed('s', 'c2', 'two', 'transport close'),
    sessions.opened('s', 'c3', 'one'),
    sessions.opened('another', 'c4', 'one'),
  ])
  const at = expect.any(Number)
  expect(formers).toEqual([
    { instance: 'one', cause: undefined, at },
    undefined,
    undefined,
    { instance: 'two', cause: 'transport close', at },
    undefined,
  ])
  expect(commandsOf(await redis.cli('INFO', 'commandstats'))['evalsha']).toBe(1)
})

test('more notes than fit into one call are all answered', async () => {
  const scope = testScope()
  const { sessions } = await openStore(scope, await startRedis(scope))
  const names = Array.from({ length: 250 }, (_, index) => `session-${index}`)
  await Promise.all(names.map((name) => sessions.closed(name, name, 'one', 'nobody')))
  await Promise.all(names.map((name) => sessions.opened(name, `${name}-1`, 'one')))
  await Promise.all(names.map((name) => sessions.closed(name, `${name}-1`, 'one', name)))
  const formers = await Promise.all(names.map((name) => sessions.opened(name, `${name}-2`, 'two')))
  expect(formers.map((former) => former?.cause)).toEqual(names)
})

test('D7 without Redis notes are refused, not kept', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const { sessions, link } = await openStore(scope, redis)
  link.close()
  await expect(sessions.opened('s', 'c1', 'one')).rejects.toThrow()
  await expect(sessions.closed('s', 'c1', 'one', 'gone')).rejects.toThrow()
})
