import { randomUUID } from 'node:crypto'
import { setImmediate as endOfTurn, setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, expect, test } from 'vitest'
import { type Connection, createConnection } from '../../server/broker/redis/connection.ts'
import { createGroupCommit, type GroupCommit } from '../../server/broker/redis/group-commit.ts'
import { roomKeys } from '../../server/broker/redis/keys.ts'
import { callScript } from '../../server/broker/redis/script-call.ts'
import { roomScripts } from '../../server/broker/redis/scripts.ts'
import { eventually } from '../support/eventually.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

const ROOM = 'busy'
const keys = roomKeys('roomwire:group', ROOM)

const OPTIONS = {
  keyPrefix: 'roomwire:group',
  logMax: 10_000,
  logTtlMs: 60_000,
  dedupWindowMs: 60_000,
  instance: 'one',
  newEpoch: randomUUID,
}

let redis: RedisServer
let connection: Connection
let append: GroupCommit
/** Script calls that were asked for. */
let calls: number

beforeEach(async () => {
  const scope = testScope()
  redis = await startRedis(scope)
  connection = createConnection(
    () => ({
      host: redis.host,
      port: redis.port,
      database: 0,
      username: undefined,
      password: undefined,
      tls: undefined,
    }),
    { up: () => undefined, failed: () => undefined },
  )
  scope.defer(() => connection.close())
  await eventually(() => connection.up)
  calls = 0
  append = createGroupCommit(
    (args) => {
      calls += 1
      return connection.command(args)
    },
    OPTIONS,
    undefined,
  )
})

const send = (id: string, body: unknown = id) =>
  append({ room: ROOM, sender: 's', id, content: JSON.stringify({ id, from: {}, body }) })

/** The outcome in a word or two, so that many can be compared at once. */
const outcomeOf = (sent: ReturnType<GroupCommit>) =>
  sent.then(
    ({ position, duplicate }) => `${duplicate ? 'again ' : ''}${position.offset}`,
    (error: { code?: string }) => error.code ?? String(error),
  )

const storedIds = async () =>
  [...(await redis.cli('XRANGE', keys.log, '-', '+')).matchAll(/"id":"(.*?)"/g)].map(([, id]) => id)

test('D3 messages of a busy room go out together, in order, and few at a time', async () => {
  await send('first')
  calls = 0
  const ids = Array.from({ length: 200 }, (_, index) => `m${index}`)
  const outcomes = await Promise.all(ids.map((id) => outcomeOf(send(id))))
  expect(outcomes).toEqual(ids.map((_, index) => String(index + 2)))
  expect(calls).toBe(4)
  expect(await storedIds()).toEqual(['first', ...ids])
  calls = 0
  const large = 'x'.repeat(100 * 1024)
  await Promise.all(['a', 'b', 'c', 'd'].map((id) => send(id, large)))
  expect(calls).toBe(2)
  await send('e', large.repeat(5))
})

test('D3 what is stored says when the one before it was, as the log does', async () => {
  const sent = [await send('first')]
  await sleep(5)
  sent.push(...(await Promise.all(['a', 'first', 'b'].map((id) => send(id)))))
  await sleep(5)
  sent.push(await send('c'))
  const entries = (await connection.command(['XRANGE', keys.log, '-', '+'])) as [string, string[]][]
  const logged = entries.map(([id, [, , , prevAt]]) => [id, Number(prevAt)])
  const stored = sent.filter(({ duplicate }) => !duplicate)
  expect(
    stored.map(({ position, prevAt }) => [`${position.offset}-${position.at}`, prevAt]),
  ).toEqual(logged)
  expect(new Set(stored.map(({ prevAt }) => prevAt)).size).toBe(3)
  expect(sent.find(({ duplicate }) => duplicate)).not.toHaveProperty('prevAt')
})

test('D2 repeats within a call, of it and of earlier ones, are told one by one', async () => {
  await Promise.all([send('a'), send('b')])
  const outcomes = ['b', 'c', 'c', 'a', 'd', 'c'].map((id) => outcomeOf(send(id)))
  expect(await Promise.all(outcomes)).toEqual([
    'again 2',
    '3',
    'again 3',
    'again 1',
    '4',
    'again 3',
  ])
  expect(await storedIds()).toEqual(['a', 'b', 'c', 'd'])
})

test('D2 a key that holds something else does not spoil the call it is in', async () => {
  await send('a')
  await redis.cli('LPUSH', keys.dedup('s', 'c'), 'no position')
  const outcomes = ['b', 'c', 'd'].map((id) => outcomeOf(send(id)))
  expect(await Promise.all(outcomes)).toEqual(['2', '3', '4'])
  expect(await outcomeOf(send('c'))).toBe('again 3')
})

test('D1 where Redis takes no more, what was stored before is still acknowledged', async () => {
  await send('a')
  await redis.cli('CONFIG', 'SET', 'maxmemory', '1')
  const outcomes = ['a', 'b', 'c', 'a'].map((id) => outcomeOf(send(id)))
  expect(await Promise.all(outcomes)).toEqual([
    'again 1',
    'UNAVAILABLE',
    'UNAVAILABLE',
    'UNAVAILABLE',
  ])
  await redis.cli('CONFIG', 'SET', 'maxmemory', '0')
  expect(await Promise.all(['b', 'a'].map((id) => outcomeOf(send(id))))).toEqual(['2', 'again 1'])
})

test('what several bring in one turn of the event loop is one call', async () => {
  await send('a') // Redis knows the script from here on
  calls = 0
  const first = outcomeOf(send('b'))
  await Promise.resolve() // as from another connection
  const second = outcomeOf(send('c'))
  expect(await Promise.all([first, second])).toEqual(['2', '3'])
  expect(calls).toBe(1)
})

test('D3 what waits behind a call that fails is not stored before it', async () => {
  await send('a')
  redis.pause()
  const unknown = outcomeOf(send('b'))
  await endOfTurn() // the call of the one above begins
  const waiting = [outcomeOf(send('c')), outcomeOf(send('d'))]
  expect(await unknown).toBe('OUTCOME_UNKNOWN')
  expect(await Promise.all(waiting)).toEqual(['UNAVAILABLE', 'UNAVAILABLE'])
  redis.resume()
  const later = ['b', 'c', 'd'].map((id) => outcomeOf(send(id)))
  expect(await Promise.all(later)).toEqual(['again 2', '3', '4'])
  expect(await storedIds()).toEqual(['a', 'b', 'c', 'd'])
})

test('a script that Redis lost is noticed by none of those in the call', async () => {
  await send('a')
  await redis.cli('SCRIPT', 'FLUSH')
  const outcomes = ['b', 'a', 'c'].map((id) => outcomeOf(send(id)))
  expect(await Promise.all(outcomes)).toEqual(['2', 'again 1', '3'])
})

test('D1 a full Redis refuses the first message of a new room as well', async () => {
  await redis.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  await redis.cli('CONFIG', 'SET', 'maxmemory', '1')
  const message = { room: ROOM, sender: 's', id: '1', content: '{"id":"1","from":{},"body":1}' }
  await expect(append(message)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(await redis.cli('EXISTS', keys.log, keys.meta)).toBe('0')
  await redis.cli('CONFIG', 'SET', 'maxmemory', '0')
  expect((await append(message)).position.offset).toBe(1)
})

test('a room’s keys outlive its last message by the TTL, with few renewals', async () => {
  const ttls = { logTtlMs: 6400, dedupWindowMs: 1000 }
  const brief = createGroupCommit(connection.command, { ...OPTIONS, ...ttls }, undefined)
  const expiries = new Set<number>()
  const endOf = async (key: string) => Number(await redis.cli('PEXPIRETIME', key))
  for (let id = 0; id < 60; id += 1) {
    const content = `{"id":"${id}","from":{},"body":1}`
    const { position } = await brief({ room: ROOM, sender: 's', id: `${id}`, content })
    const [log, meta] = [await endOf(keys.log), await endOf(keys.meta)]
    expect(log - position.at).toBeGreaterThanOrEqual(ttls.logTtlMs)
    expect(log - position.at).toBeLessThanOrEqual(ttls.logTtlMs * 1.02)
    // Redis 7.0 reads the clock for each of both, also within a script.
    expect(meta - log).toBeGreaterThanOrEqual(ttls.dedupWindowMs)
    expect(meta - log).toBeLessThan(ttls.dedupWindowMs + 500)
    expiries.add(log)
    await sleep(10)
  }
  expect(expiries.size).toBeGreaterThan(3)
  expect(expiries.size).toBeLessThan(60)

  // A log that is lost, and written again in the same span, does not stay for ever.
  await redis.cli('DEL', keys.log)
  await brief({ room: ROOM, sender: 's', id: 'more', content: '{"id":"more","from":{},"body":1}' })
  expect(await endOf(keys.log)).toBeGreaterThan(0)
})

test('a clock that was put back does not end a room in use', async () => {
  await send('before')
  const ahead = Date.now() + 30 * 86_400_000
  await redis.cli('HSET', keys.meta, 'a', String(ahead))
  for (const id of ['after', 'more']) {
    await redis.cli('PEXPIRE', keys.log, '1000')
    const { position } = await send(id)
    expect(position.at).toBe(ahead)
    expect(Number(await redis.cli('PTTL', keys.log))).toBeGreaterThan(50_000)
  }
})

test('D8 a room that was only asked about is forgotten sooner than one with messages', async () => {
  const weeks = 14 * 86_400_000
  const command = connection.command
  const kept = async () => Number(await redis.cli('PTTL', keys.meta))
  const read = () =>
    callScript(
      command,
      roomScripts(false).read,
      [keys.meta, keys.log],
      ['epoch', String(weeks), String(weeks), 'last', '1', '1000', '0', '', '', '0', keys.channel],
    )
  await read()
  expect(await kept()).toBeLessThanOrEqual(3_600_000)
  expect(await kept()).toBeGreaterThan(3_000_000)
  await send('a message')
  await read()
  expect(await kept()).toBeGreaterThan(weeks - 60_000)
})
