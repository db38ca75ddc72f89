import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { commandsOf } from '../../bench/redis-commands.ts'
import { createRedisSessions } from '../../server/broker/redis/sessions.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { openRoomsLink } from '../support/rooms-link.ts'
import { testScope } from '../support/test-scope.ts'
import { describeSessionStore } from './session-store.ts'

const scope = testScope()
let redis: RedisServer

beforeAll(async () => {
  redis = await startRedis(scope)
})

async function openStore(prefix: string = `roomwire:${randomUUID()}`) {
  const link = await openRoomsLink(redis, `roomwire:${randomUUID()}`)
  return { link, sessions: createRedisSessions(link, prefix) }
}

const one = { instance: 'one', boot: 'boot-1' }
const two = { instance: 'two', boot: 'boot-2' }

describeSessionStore('redis', async () => {
  const prefix = `roomwire:${randomUUID()}`
  const [a, b] = await Promise.all([openStore(prefix), openStore(prefix)])
  return { a: a.sessions, b: b.sessions }
})

test('notes of one time go out in one call, in order, and each gets its own answer', async () => {
  const { sessions } = await openStore()
  await sessions.opened('s', 'c1', one)
  await redis.cli('CONFIG', 'RESETSTAT')
  const answers = await Promise.all([
    sessions.opened('s', 'c2', two),
    sessions.closed('s', 'c1', one, 'late'),
    sessions.closed('s', 'c2', two, 'transport close'),
    sessions.take('s', 'c1'),
    sessions.opened('s', 'c3', one),
    sessions.look('s', 'c3'),
    sessions.opened('another', 'c4', one),
  ])
  const at = expect.any(Number)
  expect(answers).toEqual([
    { at, former: undefined, open: [{ connection: 'c1', ...one }] },
    undefined,
    undefined,
    { instance: 'one', cause: 'late', at },
    { at, former: { instance: 'two', cause: 'transport close', at }, open: [] },
    { instance: 'one', cause: undefined, at },
    { at, former: undefined, open: [] },
  ])
  expect(commandsOf(await redis.cli('INFO', 'commandstats'))['eval']).toBe(1)
})

test('more notes than fit into one call are all answered', async () => {
  const { sessions } = await openStore()
  const names = Array.from({ length: 250 }, (_, index) => `session-${index}`)
  await Promise.all(names.map((name) => sessions.opened(name, `${name}-1`, one)))
  await Promise.all(names.map((name) => sessions.closed(name, `${name}-1`, one, name)))
  const back = await Promise.all(names.map((name) => sessions.opened(name, `${name}-2`, two)))
  expect(back.map(({ former }) => former?.cause)).toEqual(names)
})

test('records expire; a session is not to be read from its key', async () => {
  const prefix = `roomwire:${randomUUID()}`
  const { sessions } = await openStore(prefix)
  await sessions.opened('the secret', 'c1', one)
  const [key = '', ...more] = (await redis.cli('KEYS', `${prefix}:*`)).split('\n')
  expect(more).toEqual([])
  expect(key).not.toContain('secret')
  expect(Number(await redis.cli('TTL', key))).toBeGreaterThan(86_400)
  await sessions.closed('the secret', 'c1', one, 'drain')
  expect(Number(await redis.cli('TTL', key))).toBeLessThanOrEqual(3600)
})

test('a note whose answer was lost is sent again, and gets the same one', async () => {
  const { sessions } = await openStore()
  await sessions.opened('s', 'c1', one)
  await sessions.closed('s', 'c1', one, 'drain')
  const first = await sessions.opened('s', 'c2', two)
  expect(await sessions.opened('s', 'c2', two)).toEqual(first)
  expect((await sessions.look('s', 'c2'))?.cause).toBeUndefined()

  const { open } = await sessions.opened('s', 'c3', one)
  expect(open).toEqual([{ connection: 'c2', ...two }])
  expect((await sessions.opened('s', 'c3', one)).open).toEqual(open)
  await sessions.closed('s', 'c3', one, 'drain')
  expect((await sessions.opened('s', 'c3', one)).former).toBeUndefined()
})

test('D7 without Redis notes are refused, not kept', async () => {
  const { sessions, link } = await openStore()
  link.close()
  await expect(sessions.opened('s', 'c1', one)).rejects.toThrow()
  await expect(sessions.closed('s', 'c1', one, 'gone')).rejects.toThrow()
})
