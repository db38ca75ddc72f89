import { expect, test } from 'vitest'
import { slotOf } from '../../server/broker/redis/slots.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startInProcess } from '../support/in-process.ts'
import { startRedisCluster } from '../support/redis-cluster.ts'
import { testScope } from '../support/test-scope.ts'

/** Names of rooms whose slots are between these. */
function roomsBetween(first: number, last: number, count: number): string[] {
  const names: string[] = []
  for (let index = 0; names.length < count; index += 1) {
    const slot = slotOf(`room ${index}`)
    if (slot >= first && slot <= last) names.push(`room ${index}`)
  }
  return names
}

test('D4 while one primary is away, what was missed in rooms of the others is found all the same', async () => {
  const scope = testScope()
  // Long enough that nobody fails over.
  const cluster = await startRedisCluster(scope, { nodeTimeoutMs: 600_000 })
  const env = { REDIS_URL: `redis://${cluster.hosts.split(',')[0]}`, REDIS_CLUSTER: 'true' }
  const one = await startInProcess(scope, { ...env, INSTANCE_ID: 'one' })
  const two = await startInProcess(scope, { ...env, INSTANCE_ID: 'two' })
  const [away, well] = await Promise.all([cluster.ownerOf(0), cluster.ownerOf(16_383)])
  const rooms = roomsBetween(11_000, 16_383, 20)
  const member = await connectClient(scope, one.url)
  const sender = await connectClient(scope, two.url)
  for (const room of [...rooms, ...roomsBetween(0, 5000, 20)]) {
    await member.ask('room:join', { room })
  }
  cluster.freeze(away)
  await eventually(() => one.health().redis.rooms.state === 'down')
  for (const room of rooms) {
    // Nobody listens when it is published.
    await well.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await sender.ask('room:send', { room, id: 'missed', body: 1 })
  }
  const got = () => rooms.filter((room) => member.messages(room).length === 1).length
  await eventually(() => got() === rooms.length, { what: 'all messages', timeoutMs: 10_000 })
  expect(one.health().redis.rooms.state).toBe('down')
  expect(member.received('room:reset')).toEqual([])
  cluster.thaw(away)
  await eventually(() => one.health().redis.rooms.state === 'ok')
})
