import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../server/broker/memory-store.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startGateway } from '../support/gateway-process.ts'
import { startInProcess } from '../support/in-process.ts'
import { startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { sendStored } from '../support/send-stored.ts'
import { testScope } from '../support/test-scope.ts'

const CLIENTS = 8
const MESSAGES = 2000

/** Two instances that share their rooms, by URL. */
const deployments: Record<string, (scope: Scope) => Promise<string[]>> = {
  async 'two processes over Redis'(scope) {
    const redis = await startRedis(scope)
    const gateways = await Promise.all(
      ['a', 'b'].map((instance) =>
        startGateway(scope, { env: { REDIS_URL: redis.url(), INSTANCE_ID: instance } }),
      ),
    )
    await Promise.all(gateways.map((gateway) => gateway.ready()))
    return gateways.map(({ url }) => url)
  },
  async 'two gateways over one memory'(scope) {
    const store = createMemoryStore()
    const gateways = await Promise.all([1, 2].map(() => startInProcess(scope, {}, { store })))
    return gateways.map(({ url }) => url)
  },
}

describe.each(Object.entries(deployments))('%s', (_name, start) => {
  it(`D3 ${CLIENTS} clients see ${MESSAGES} messages sent at once in one order without holes`, async () => {
    const scope = testScope()
    const urls = await start(scope)
    const room = `order ${randomUUID()}`
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, (_, index) =>
        connectClient(scope, urls[index % urls.length] ?? expect.fail(), {
          // Both ways of writing take part: shared frames, and packets for polling.
          transports: [index < 6 ? 'websocket' : 'polling'],
        }),
      ),
    )
    for (const client of clients) await client.ask('room:join', { room })

    const replies = await Promise.all(
      Array.from({ length: MESSAGES }, (_, index) => {
        const client = clients[index % CLIENTS] ?? expect.fail()
        return sendStored(client, { room, id: `m${index}`, body: index })
      }),
    )
    const offsets = Array.from({ length: MESSAGES }, (_, index) => index + 1)
    expect(replies.map(({ position }) => position.offset).toSorted((a, b) => a - b)).toEqual(
      offsets,
    )

    const acknowledged = new Map(replies.map(({ id, position }) => [position.offset, id]))
    for (const client of clients) {
      await eventually(() => client.messages(room).length >= MESSAGES, { what: 'every message' })
      const seen = client.messages(room)
      expect(seen.map(({ offset }) => offset)).toEqual(offsets)
      expect(seen.map(({ id }) => id)).toEqual(offsets.map((offset) => acknowledged.get(offset)))
      expect(client.received('room:reset')).toEqual([])
    }
  })
})
