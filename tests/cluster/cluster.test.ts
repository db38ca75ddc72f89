import { beforeAll, describe, expect, test } from 'vitest'
import { slotOf } from '../../server/broker/redis/slots.ts'
import { aclUsers } from '../../server/cli-acl.ts'
import { readConfig } from '../../server/config.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts'
import { aclPassword } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'
import { startConversation } from './conversation.ts'

const PASSWORD = '80u7dxerdVK+ZaKp2drp76OKtH0O1EYXLwebTQ/q7mA='
const ACL = { username: 'roomwire', password: 'a / b' }
/** Of several slots, and with at least one on each primary. */
const ROOMS = ['lobby', 'kitchen', 'garden', 'attic', 'cellar', 'roof']

const scope = testScope()
let cluster: RedisCluster

beforeAll(async () => {
  cluster = await startRedisCluster(scope, { requirepass: PASSWORD, nodeTimeoutMs: 1000 })
})

/** Prefixes keep the tests apart. */
function environment(prefix: string, more: Record<string, string> = {}): Record<string, string> {
  return {
    REDIS_URL: `redis://${cluster.hosts.split(',')[0]}`,
    REDIS_PASSWORD: PASSWORD,
    REDIS_CLUSTER: 'true',
    REDIS_KEY_PREFIX: prefix,
    ...more,
  }
}

describe('a cluster of three primaries', () => {
  test('D1, D2, D3, D5: rooms are on all of them, and work as on one', async () => {
    const own = testScope()
    const owners = new Set(await Promise.all(ROOMS.map((room) => cluster.ownerOf(slotOf(room)))))
    expect(owners.size).toBe(3)
    const { gateways, followers, goesOn, ends } = await startConversation(
      own,
      environment('plain'),
      ROOMS,
    )
    await goesOn(30)
    await ends()
    for (const { resets } of followers) expect(resets).toEqual([])

    const client = await connectClient(own, gateways[1].url, { session: 'ann' })
    const [room] = ROOMS as [string]
    const since = { ...followers[0]?.place, offset: 10, at: undefined }
    const { messages, recovered } = await client.ask('room:join', { room, since })
    expect(recovered).toBe(true)
    expect(messages.map(({ offset }) => offset)).toEqual(
      Array.from({ length: (followers[0]?.place.offset ?? 0) - 10 }, (_, index) => index + 11),
    )
    const sent = await client.ask('room:send', { room, id: 'twice', body: 1 })
    const again = await client.ask('room:send', { room, id: 'twice', body: 2 })
    expect(again).toMatchObject({ duplicate: true, position: sent.position })

    // What may be lost goes through the adapter: its channels are sharded as well.
    const other = await connectClient(own, gateways[0].url)
    await other.ask('room:join', { room })
    // Volatile: an instance that has much to do drops some.
    await eventually(() => {
      other.socket.emit('room:typing', { room, typing: true })
      return client.received('room:typing').length > 0
    })
    const everywhere = await gateways[0].io.fetchSockets()
    expect(everywhere.length).toBe(2 * ROOMS.length + 2)
    expect(gateways[0].health()).toMatchObject({
      durability: 'durable',
      redis: { rooms: { state: 'ok' }, cache: { state: 'ok' } },
    })
  })

  test('D3, D4: slots move to other primaries while messages flow', async () => {
    const own = testScope()
    const { goesOn, ends, followers } = await startConversation(own, environment('move'), ROOMS)
    for (const room of ROOMS) {
      const slot = slotOf(room)
      const from = await cluster.ownerOf(slot)
      const to = (await cluster.primaries()).find((primary) => primary !== from)
      await cluster.moveSlot(slot, to ?? expect.fail('no other primary'))
      await goesOn(2)
    }
    await ends()
    for (const { resets } of followers) expect(resets).toEqual([])
  })

  test('D3, D4: a replica takes over in agreement, and nobody starts over', async () => {
    const own = testScope()
    const { goesOn, ends, followers } = await startConversation(own, environment('agreed'), ROOMS)
    for (const primary of (await cluster.primaries()).slice(0, 2)) {
      await goesOn(5)
      await cluster.failOver(primary)
    }
    await goesOn(10)
    await ends()
    for (const { resets } of followers) expect(resets).toEqual([])
    await cluster.whole()
  })

  test('D1, D4, D7: a primary is killed; nothing that a replica confirmed is lost', async () => {
    const own = testScope()
    const env = environment('killed', { ROOM_ACK_REPLICAS: '1' })
    const { goesOn, ends, gateways } = await startConversation(own, env, ROOMS)
    await goesOn(10)
    const victim = await cluster.ownerOf(slotOf('lobby'))
    await victim.kill()
    await eventually(() => gateways.every(({ health }) => health().redis.rooms.state === 'down'))
    await cluster.replaced(victim)
    await victim.start()
    await goesOn(10)
    await ends()
    await eventually(() => gateways.every(({ health }) => health().redis.rooms.state === 'ok'))
    await cluster.whole()
  })

  test('the rights of `roomwire acl` are enough on a cluster', async () => {
    const own = testScope()
    const { config } = readConfig(environment('roomwire', { REDIS_USERNAME: ACL.username }))
    const [user] = aclUsers(config)
    const rights = user?.rule.replace('<sha256>', aclPassword(ACL.password).slice(1)) ?? ''
    for (const node of cluster.nodes) {
      const words = rights.split(' ').slice(1)
      expect(await node.cli('ACL', 'SETUSER', ...words)).toBe('OK')
    }
    const credentials = { REDIS_USERNAME: ACL.username, REDIS_PASSWORD: ACL.password }
    const env = environment('roomwire', credentials)
    const { goesOn, ends, gateways } = await startConversation(own, env, ROOMS)
    await goesOn(5)
    await cluster.moveSlot(slotOf('attic'), (await cluster.primaries())[1] ?? expect.fail())
    await goesOn(5)
    await ends()
    expect(gateways[0].health().redis).toMatchObject({ rooms: { state: 'ok' } })
  })
})
