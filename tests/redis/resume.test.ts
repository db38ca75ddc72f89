import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Position } from '../../server/protocol.ts'
import { type Client, connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { type InProcessGateway, startInProcess } from '../support/in-process.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { expectWhole, join, positionOf } from '../support/rejoin.ts'
import { testScope } from '../support/test-scope.ts'
import { sendMany, startWriter } from '../support/writer.ts'

/** A local room keeps the last 128 messages: what lies further back comes from the log. */
const BEHIND_A_LITTLE = 60
const BEHIND_A_LOT = 500
const RESUME_MAX = 600

const scope = testScope()
let redis: RedisServer
let here: InProcessGateway
let there: InProcessGateway

beforeAll(async () => {
  redis = await startRedis(scope)
  const env = { REDIS_URL: redis.url(), RESUME_MAX: String(RESUME_MAX) }
  here = await startInProcess(scope, { ...env, INSTANCE_ID: 'here' })
  there = await startInProcess(scope, { ...env, INSTANCE_ID: 'there' })
})

/** A room of its own, with a witness who is always there, two writers and somebody who will leave. */
async function aRoom() {
  const testEnd = testScope()
  const room = `resume ${randomUUID()}`
  const connect = (gateway: InProcessGateway) => connectClient(testEnd, gateway.url)
  const witness = await connect(here)
  const writers: [Client, Client] = [await connect(here), await connect(there)]
  const leaver = await connect(here)
  await join(witness, { room })
  await join(leaver, { room })

  /** Sends until the leaver has gone with the position of its last message. */
  async function leave(): Promise<Position> {
    const last = await sendMany(writers, room, 10, 'before')
    await eventually(() => leaver.messages(room).length === last)
    leaver.close()
    return positionOf(leaver.messages(room).at(-1) ?? expect.fail())
  }

  /** The whole room, once the witness has it. */
  async function truth(last: number) {
    await eventually(() => witness.messages(room).length >= last, { what: 'the witness' })
    return witness.messages(room)
  }
  return { room, connect, witness, writers, leave, truth }
}

const received = (client: Client, room: string, last: number) =>
  eventually(() => client.messages(room).at(-1)?.offset === last, { what: `offset ${last}` })

describe('a client leaves, messages pass, and it joins another instance while more are sent', () => {
  describe.each([
    ['from memory or the log', BEHIND_A_LITTLE],
    ['from the log', BEHIND_A_LOT],
  ])('%s', (_name, missed) => {
    it.each([
      ['that has the room already', true],
      ['that has not heard of the room', false],
    ])('D5 misses and repeats nothing on one %s', async (_where, resident) => {
      const { room, connect, writers, leave, truth } = await aRoom()
      if (resident) await join(await connect(there), { room })
      const since = await leave()
      await sendMany(writers, room, missed, 'missed')

      const back = await connect(there)
      const writer = startWriter(writers, room)
      await writer.acknowledged(5)
      const joined = await join(back, { room, since })
      await writer.acknowledged(100)
      const last = await writer.stop()
      await received(back, room, last)

      const messages = await truth(last)
      expect(joined.reply.messages.length).toBeGreaterThanOrEqual(missed)
      expectWhole(joined, since.offset, last, messages)
    })
  })

  it('D5 serves many joiners with different positions at once, on both instances', async () => {
    const { room, connect, writers, leave, truth, witness } = await aRoom()
    await leave()
    await sendMany(writers, room, BEHIND_A_LOT, 'missed')
    await truth(10 + BEHIND_A_LOT)
    const positions = Array.from({ length: 16 }, (_, index) =>
      positionOf(witness.messages(room)[index * 33] ?? expect.fail()),
    )
    const clients = await Promise.all(
      positions.map((_, index) => connect(index % 4 === 0 ? here : there)),
    )

    const writer = startWriter(writers, room)
    await writer.acknowledged(5)
    const joined = await Promise.all(
      clients.map((client, index) => {
        const since = positions[index] ?? expect.fail()
        return join(client, { room, since })
      }),
    )
    await writer.acknowledged(50)
    const last = await writer.stop()
    for (const client of clients) await received(client, room, last)

    const messages = await truth(last)
    for (const [index, each] of joined.entries()) {
      expectWhole(each, positions[index]?.offset ?? expect.fail(), last, messages)
    }
  })

  it.each([
    ['a little', 50],
    ['a lot', 300],
  ])('D5 lets a member join again from %s earlier', async (_name, back) => {
    const { room, connect, writers, truth } = await aRoom()
    const member = await connect(there)
    const first = await join(member, { room })
    const before = await sendMany(writers, room, 400, 'seen')
    await received(member, room, before)
    const since = positionOf(member.messages(room)[before - 1 - back] ?? expect.fail())

    const writer = startWriter(writers, room)
    await writer.acknowledged(5)
    const again = await join(member, { room, since })
    await writer.acknowledged(50)
    const last = await writer.stop()
    await received(member, room, last)

    const messages = await truth(last)
    expectWhole(again, since.offset, last, messages)
    // Its membership went on meanwhile: what it sees live has neither hole nor repeat.
    expectWhole(first, 0, last, messages)
  })
})

it('D5 a leave and a join in a row are a leave and a join', async () => {
  const { room, connect, writers, truth } = await aRoom()
  const member = await connect(there)
  const writer = startWriter(writers, room)
  await writer.acknowledged(5)
  await join(member, { room })
  void member.socket.emitWithAck('room:leave', { room })
  const back = await join(member, { room, limit: 1000 })
  await writer.acknowledged(20)
  const last = await writer.stop()
  await received(member, room, last)
  expectWhole(back, 0, last, await truth(last))
})

it('D6 more than RESUME_MAX behind is not recovered: the newest, and all that follows', async () => {
  const { room, connect, writers, leave, truth } = await aRoom()
  const since = await leave()
  const tail = await sendMany(writers, room, RESUME_MAX + 1, 'missed')
  const back = await connect(there)
  const joined = await join(back, { room, since, limit: 7 })
  const last = await sendMany(writers, room, 20, 'after')
  await received(back, room, last)
  const messages = await truth(last)
  expect(joined.reply).toMatchObject({ recovered: false, position: { offset: tail } })
  expect(joined.reply.messages).toEqual(messages.slice(tail - 7, tail))
  expect(joined.after()).toEqual(messages.slice(tail))
})

it('a storm of resumes is served from memory: Redis hears of it about once', async () => {
  const { room, connect, writers, leave, truth, witness } = await aRoom()
  await leave()
  await sendMany(writers, room, BEHIND_A_LITTLE, 'missed')
  const messages = await truth(10 + BEHIND_A_LITTLE)
  const clients = await Promise.all(Array.from({ length: 50 }, () => connect(there)))
  const scripts = async () => {
    const stats = await redis.cli('INFO', 'commandstats')
    return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1])
  }
  const before = await scripts()
  const joined = await Promise.all(
    clients.map((client, index) => {
      const since = positionOf(messages[index] ?? expect.fail())
      return join(client, { room, since })
    }),
  )
  // One read opens the room; idle position checks may have their turn meanwhile.
  expect((await scripts()) - before).toBeLessThan(10)
  for (const [index, each] of joined.entries()) {
    expectWhole(each, index + 1, messages.length, messages)
  }
  expect(witness.received('room:reset')).toEqual([])
})
