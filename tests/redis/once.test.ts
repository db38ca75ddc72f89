import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../server/broker/memory.ts'
import { type Accepted, connectClient } from '../support/client.ts'
import { startGateway } from '../support/gateway-process.ts'
import { startInProcess } from '../support/in-process.ts'
import { startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

const SENDS = 1000

/** Three instances that share their rooms, by URL. */
const deployments: Record<string, (scope: Scope) => Promise<string[]>> = {
  async 'three processes over Redis'(scope) {
    const redis = await startRedis(scope)
    const gateways = await Promise.all(
      ['a', 'b', 'c'].map((instance) =>
        startGateway(scope, { env: { REDIS_URL: redis.url(), INSTANCE_ID: instance } }),
      ),
    )
    await Promise.all(gateways.map((gateway) => gateway.ready()))
    return gateways.map(({ url }) => url)
  },
  async 'three gateways over one memory'(scope) {
    const store = createMemoryStore()
    const gateways = await Promise.all([1, 2, 3].map(() => startInProcess(scope, {}, { store })))
    return gateways.map(({ url }) => url)
  },
}

describe.each(Object.entries(deployments))('%s', (_name, start) => {
  it(`D2 stores and delivers one of ${SENDS} sends of the same id at once`, async () => {
    const scope = testScope()
    const urls = await start(scope)
    const room = `once ${randomUUID()}`
    const connect = (session: string) =>
      Promise.all(urls.map((url) => connectClient(scope, url, { session })))
    const observers = await connect('observer')
    for (const observer of observers) await observer.ask('room:join', { room })
    // Two connections to each instance, all of one sender.
    const senders = (await Promise.all([connect('sender'), connect('sender')])).flat()

    const sends = Array.from({ length: SENDS }, (_, index) => {
      const sender = senders[index % senders.length] ?? expect.fail()
      return sender.ask('room:send', { room, id: 'the-one', body: index }, 30_000)
    })
    const replies = await Promise.all(sends)

    const [first = expect.fail(), ...others] = replies.filter(({ duplicate }) => !duplicate)
    expect(others).toEqual([])
    expect(first.position).toMatchObject({ offset: 1 })
    const distinct = new Set(
      replies.map(({ id, position, at }: Accepted<'room:send'>) =>
        JSON.stringify({ id, position, at }),
      ),
    )
    expect(distinct.size).toBe(1)

    // What follows shows that nothing else came before it.
    await senders[0]?.ask('room:send', { room, id: 'the-next', body: null })
    for (const observer of observers) {
      expect(await observer.next('room:message')).toMatchObject({
        offset: 1,
        id: 'the-one',
        body: replies.indexOf(first),
      })
      expect(await observer.next('room:message')).toMatchObject({ offset: 2, id: 'the-next' })
    }
    const { messages } = await (observers[0] ?? expect.fail()).ask('room:history', { room })
    expect(messages.map(({ id }) => id)).toEqual(['the-one', 'the-next'])
  })
})
