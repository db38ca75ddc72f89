import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { type RoomKeys, roomKeys } from '../../server/broker/redis/keys.ts'
import { createRedisLog } from '../../server/broker/redis/log.ts'
import { createRoomsProbe } from '../../server/broker/redis/probes.ts'
import { createRedisLink } from '../../server/broker/redis/server-link.ts'
import type { Position } from '../../server/protocol.ts'
import { type Client, connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { type Follower, follow } from '../support/follower.ts'
import { type InProcessGateway, startInProcess } from '../support/in-process.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { join } from '../support/rejoin.ts'
import { sendStored } from '../support/send-stored.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { testScope } from '../support/test-scope.ts'

const PREFIX = 'roomwire:lost'
/** Messages in a room before it is tampered with; whoever left early left at half of it. */
const STORED = 20

const scope = testScope()
let redis: RedisServer
/** Two instances with members; the link of the first can be cut. */
let here: InProcessGateway
let there: InProcessGateway
let hereToRedis: TcpProxy
/** One that nobody joined the room at. */
let elsewhere: InProcessGateway

beforeAll(async () => {
  redis = await startRedis(scope)
  hereToRedis = await startTcpProxy(scope, { target: redis })
  const start = (instance: string, port: number) =>
    startInProcess(scope, {
      REDIS_URL: `redis://127.0.0.1:${port}`,
      REDIS_KEY_PREFIX: PREFIX,
      INSTANCE_ID: instance,
    })
  here = await start('here', hereToRedis.port)
  there = await start('there', redis.port)
  elsewhere = await start('elsewhere', redis.port)
})

interface Scene {
  room: string
  keys: RoomKeys
  members: Follower[]
  /** Positions of clients that left half-way and at the end. */
  leftEarly: Position
  leftLate: Position
  connect(gateway: InProcessGateway): Promise<Client>
  /** Stores a message, through the instance without members unless told otherwise. */
  send(id: string, through?: Client): Promise<Position>
}

async function setScene(): Promise<Scene> {
  const testEnd = testScope()
  const room = `lost {${randomUUID()}}`
  const connect = (gateway: InProcessGateway) => connectClient(testEnd, gateway.url)
  const members = [
    await follow(await connect(here), room),
    await follow(await connect(there), room),
  ]
  const sender = await connect(elsewhere)
  const send = async (id: string, through = sender) =>
    (await sendStored(through, { room, id, body: id })).position
  const keys = roomKeys(PREFIX, room)
  const sendHalf = async (from: number) => {
    const offsets = Array.from({ length: STORED / 2 }, (_, index) => from + index)
    return Promise.all(offsets.map((offset) => send(`m${offset}`)))
  }
  const first = await sendHalf(1)
  for (const key of [keys.meta, keys.log]) await redis.cli('COPY', key, `${key}:half`)
  const second = await sendHalf(STORED / 2 + 1)
  const last = (positions: Position[]) =>
    positions.toSorted((a, b) => a.offset - b.offset).at(-1) ?? expect.fail()
  const [leftEarly, leftLate] = [last(first), last(second)]
  for (const member of members) await member.reached(leftLate)
  return { room, keys, members, leftEarly, leftLate, connect, send }
}

/** Messages through every instance reach every member in order. */
async function expectToGoOn({ members, connect, send }: Scene): Promise<void> {
  let last: Position | undefined
  for (const gateway of [here, there, elsewhere]) {
    const client = await connect(gateway)
    for (let i = 0; i < 3; i += 1) last = await send(`after-${i}`, client)
  }
  for (const member of members) await member.reached(last ?? expect.fail())
}

/** What members' instances do when they come back to Redis: the only sign of life of a quiet room. */
async function interruptSubscriptions(): Promise<void> {
  await redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')
}

async function comeBack(scene: Scene, gateway: InProcessGateway, since: Position) {
  const client = await scene.connect(gateway)
  return (await join(client, { room: scene.room, since })).reply
}

/** One after the other; an instance that reads may have begun a new epoch in the first one by then. */
const expire = async (...names: string[]) => {
  for (const name of names) await redis.cli('PEXPIRE', name, '1')
  await eventually(async () => (await redis.cli('EXISTS', names.at(-1) ?? '')) === '0')
}

/** Damage after which nobody can tell whether something was missed: everybody has to be told. */
const unverifiable: Record<string, (scene: Scene) => Promise<unknown>> = {
  'meta is deleted': ({ keys }) => redis.cli('DEL', keys.meta),
  'meta and stream are deleted': ({ keys }) => redis.cli('DEL', keys.meta, keys.log),
  'meta and stream have expired': ({ keys }) => expire(keys.meta, keys.log),
  'everything is flushed': () => redis.cli('FLUSHALL'),
  'meta lacks a field': ({ keys }) => redis.cli('HDEL', keys.meta, 'a'),
  'the epoch is edited': ({ keys }) => redis.cli('HSET', keys.meta, 'e', `edited-${randomUUID()}`),
  'the stream is ahead of meta': ({ keys, leftEarly: { offset, at } }) =>
    redis.cli('HSET', keys.meta, 'o', String(offset), 'a', String(at)),
}

describe.each(Object.entries(unverifiable))('%s', (_name, damage) => {
  it.each([
    ['at the next message', (scene: Scene) => scene.send('next')],
    ['in a quiet room, once subscriptions are restored', interruptSubscriptions],
  ])('D6 members are told %s', async (_when, trigger) => {
    const scene = await setScene()
    await damage(scene)
    await trigger(scene)
    for (const member of scene.members) await member.told()
    await expectToGoOn(scene)
    for (const gateway of [elsewhere, here]) {
      for (const since of [scene.leftEarly, scene.leftLate]) {
        expect(await comeBack(scene, gateway, since)).toMatchObject({ recovered: false })
      }
    }
  })

  it('D6 whoever comes back first is told', async () => {
    const scene = await setScene()
    await damage(scene)
    const reply = await comeBack(scene, elsewhere, scene.leftLate)
    expect(reply.recovered).toBe(false)
    expect(reply.messages.every(({ offset }) => offset <= reply.position.offset)).toBe(true)
    await interruptSubscriptions()
    for (const member of scene.members) await member.told()
    await expectToGoOn(scene)
  })
})

it('D6 an epoch that another instance ends is announced in sequence, without any other sign', async () => {
  const scene = await setScene()
  const link = createRedisLink({
    role: 'rooms',
    endpoint: () => ({
      host: redis.host,
      port: redis.port,
      database: 0,
      username: undefined,
      password: undefined,
      tls: undefined,
    }),
    probe: createRoomsProbe(PREFIX),
    observer: {
      failed: () => undefined,
      changed: () => undefined,
      probed: () => undefined,
    },
  })
  testScope().defer(() => link.close())
  await link.ready
  const another = createRedisLog(link, {
    keyPrefix: PREFIX,
    logMax: 1000,
    logTtlMs: 600_000,
    dedupWindowMs: 60_000,
    instance: 'one',
    newEpoch: randomUUID,
  })
  const { epoch } = await another.renew(scene.room, scene.leftLate.epoch)
  for (const member of scene.members) {
    await member.told()
    expect(member.resets).toEqual([{ ...scene.leftLate, epoch }])
  }
  await expectToGoOn(scene)
  expect(await comeBack(scene, elsewhere, scene.leftLate)).toMatchObject({ recovered: false })
})

describe('the stream is deleted', () => {
  it.each([
    ['deleted', ({ keys }: Scene) => redis.cli('DEL', keys.log)],
    ['expired', ({ keys }: Scene) => expire(keys.log)],
  ])(
    'D6 %s: members missed nothing and go on; who cannot be served is told',
    async (_how, damage) => {
      const scene = await setScene()
      await damage(scene)
      await interruptSubscriptions()
      // Instances with members still have the messages; one without has nothing to serve them from.
      expect(await comeBack(scene, elsewhere, scene.leftEarly)).toMatchObject({
        recovered: false,
        messages: [],
        position: scene.leftLate,
      })
      expect(await comeBack(scene, elsewhere, scene.leftLate)).toMatchObject({ recovered: true })
      const served = await comeBack(scene, here, scene.leftEarly)
      expect(served.recovered).toBe(true)
      expect(served.messages.map(({ id }) => id)).toEqual(
        Array.from({ length: STORED / 2 }, (_, index) => `m${STORED / 2 + 1 + index}`),
      )
      expect(await scene.send('next')).toMatchObject({
        epoch: scene.leftLate.epoch,
        offset: STORED + 1,
      })
      await expectToGoOn(scene)
      for (const member of scene.members) expect(member.resets).toEqual([])
      const late = await scene.connect(elsewhere)
      const { reply } = await join(late, { room: scene.room, since: scene.leftLate })
      expect(reply.recovered).toBe(true)
      // Its subscription was interrupted, too: what it has not heard yet comes after the reply.
      const heard = () => [...reply.messages, ...late.messages(scene.room)]
      await eventually(() => heard().length >= 10, { what: 'all that was missed' })
      expect(heard().map(({ offset }) => offset)).toEqual(
        Array.from({ length: 10 }, (_, index) => STORED + 1 + index),
      )
    },
  )
})

it('D6 a stream that ends before its meta is not served as whole', async () => {
  const scene = await setScene()
  const ids = Array.from({ length: 3 }, (_, index) => STORED - index)
  for (const offset of ids) {
    const [entry = ''] = (
      await redis.cli('XRANGE', scene.keys.log, `${offset}`, `${offset}`)
    ).split('\n')
    await redis.cli('XDEL', scene.keys.log, entry)
  }
  const reply = await comeBack(scene, elsewhere, scene.leftEarly)
  expect(reply).toMatchObject({ recovered: false, position: scene.leftLate })
  expect((await join(await scene.connect(elsewhere), { room: scene.room })).reply.position).toEqual(
    scene.leftLate,
  )
  await expectToGoOn(scene)
  for (const member of scene.members) expect(member.resets).toEqual([])
})

it('a flushed script cache is noticed by nobody', async () => {
  const scene = await setScene()
  await redis.cli('SCRIPT', 'FLUSH')
  await scene.send('append')
  await redis.cli('SCRIPT', 'FLUSH')
  const reply = await comeBack(scene, elsewhere, scene.leftEarly)
  expect(reply).toMatchObject({ recovered: true, position: { offset: STORED + 1 } })
  await redis.cli('SCRIPT', 'FLUSH')
  await interruptSubscriptions()
  await expectToGoOn(scene)
  for (const member of scene.members) expect(member.resets).toEqual([])
})

describe('the room is rolled back to what it was half-way', () => {
  const rollBack = async ({ keys: { meta, log } }: Scene) => {
    for (const key of [meta, log]) await redis.cli('COPY', `${key}:half`, key, 'REPLACE')
  }

  it('D6 members are told in a quiet room, once subscriptions are restored', async () => {
    const scene = await setScene()
    await rollBack(scene)
    await interruptSubscriptions()
    for (const member of scene.members) {
      await member.told()
      expect(member.place).toMatchObject({ offset: STORED / 2 })
    }
    await expectToGoOn(scene)
  })

  it('D6 members are told at the next message, which takes an offset that they have seen', async () => {
    const scene = await setScene()
    await rollBack(scene)
    expect(await scene.send('other')).toMatchObject({ offset: STORED / 2 + 1 })
    for (const member of scene.members) await member.told()
    await expectToGoOn(scene)
  })

  it('D6 members are told when it has grown past the old tail while they heard nothing', async () => {
    const scene = await setScene()
    await hereToRedis.cut()
    await rollBack(scene)
    for (let i = 0; i < STORED; i += 1) await scene.send(`grown-${i}`)
    await hereToRedis.heal()
    const [onHere = expect.fail()] = scene.members
    await onHere.told()
    await expectToGoOn(scene)
  })

  it('D6 who comes back to where history was another is told, also when it has grown past', async () => {
    const scene = await setScene()
    for (const member of scene.members) member.client.close()
    await rollBack(scene)
    expect(await comeBack(scene, elsewhere, scene.leftLate)).toMatchObject({ recovered: false })
    expect(await comeBack(scene, elsewhere, scene.leftEarly)).toMatchObject({ recovered: true })
    for (let i = 0; i < STORED; i += 1) await scene.send(`grown-${i}`)
    expect(await comeBack(scene, elsewhere, scene.leftLate)).toMatchObject({ recovered: false })
  })

  it('D2 what the rollback took away may be stored again', async () => {
    const scene = await setScene()
    const sender = await scene.connect(there)
    const send = (id: string) => sender.ask('room:send', { room: scene.room, id, body: 'again' })
    const lost = await send('lost')
    expect(lost).toMatchObject({ duplicate: false, position: { offset: STORED + 1 } })
    expect(await send('lost')).toMatchObject({ duplicate: true, position: lost.position })
    await rollBack(scene)
    expect(await send('lost')).toMatchObject({
      duplicate: false,
      position: { offset: STORED / 2 + 1 },
    })
  })
})

it('D6 a quiet room is verified now and then, though nothing happens at all', async () => {
  const testEnd = testScope()
  // Idle checks come twice in the life of a log.
  const gateway = await startInProcess(testEnd, {
    REDIS_URL: redis.url(),
    REDIS_KEY_PREFIX: PREFIX,
    ROOM_LOG_TTL: '4s',
    DEDUP_WINDOW: '4s',
  })
  const room = `quiet ${randomUUID()}`
  const member = await follow(await connectClient(testEnd, gateway.url), room)
  await redis.cli('DEL', roomKeys(PREFIX, room).meta)
  await member.told()
})
