import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../server/broker/memory-store.ts'
import { connectClient } from '../support/client.ts'
import { startGateway } from '../support/gateway-process.ts'
import { startInProcess } from '../support/in-process.ts'
import { startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { sendStored } from '../support/send-stored.ts'
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

    let unknown = 0
    const sends = Array.from({ length: SENDS }, async (_, index) => {
      const sender = senders[index % senders.length] ?? expect.fail()
      const message = { room, id: 'the-one', body: index }
      const reply = await sender.request('room:send', message, 30_000)
      if (reply.ok) return reply
      // A busy machine: it may have been the one that was stored.
      unknown += 1
      return sendStored(sender, message)
    })
    const replies = await Promise.all(sends)

    const firsts = replies.filter(({ duplicate }) => !duplicate)
    if (unknown === 0) expect(firsts).toHaveLength(1)
    expect(firsts.length).toBeLessThanOrEqual(1)
    expect(replies[0]?.position).toMatchObject({ offset: 1 })
    const distinct = new Set(
      replies.map(({ id, position, at }) => JSON.stringify({ id, position, at })),
    )
    expect(distinct.size).toBe(1)

    // What follows shows that nothing else came before it.
    await senders[0]?.ask('room:send', { room, id: 'the-next', body: null })
    for (const observer of observers) {
      expect(await observer.next('room:message')).toMatchObject({
        offset: 1,
        id: 'the-one',
        body: firsts[0] === undefined ? expect.any(Number) : replies.indexOf(firsts[0]),
      })
      expect(await observer.next('room:message')).toMatchObject({ offset: 2, id: 'the-next' })
    }
    const { messages } = await (observers[0] ?? expect.fail()).ask('room:history', { room })
    expect(messages.map(({ id }) => id)).toEqual(['the-one', 'the-next'])
  })
})
