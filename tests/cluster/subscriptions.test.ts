import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { slotOf } from '../../server/broker/redis/slots.ts'
import { eventually } from '../support/eventually.ts'
import { startRedisCluster } from '../support/redis-cluster.ts'
import { openClusterRoomsLink } from '../support/rooms-link.ts'
import { testScope } from '../support/test-scope.ts'

test('D4: slots move while channels come and go: whoever is subscribed hears, and is told of what it missed', async () => {
  const scope = testScope()
  const cluster = await startRedisCluster(scope)
  const link = await openClusterRoomsLink(cluster, 'subscriptions')
  let restored = 0
  link.onRestored(() => {
    restored += 1
  })

  const kept = Array.from({ length: 60 }, (_, index) => `kept:{${index}}`)
  const heard = new Map<string, string>()
  for (const channel of kept) {
    await link.subscribe(channel, (message) => void heard.set(channel, message.toString()))
  }
  let going = true
  let passing = 0
  const coming = Array.from({ length: 8 }, async (_, lane) => {
    for (let index = 0; going; index += 1) {
      const channel = `passing:{${lane}-${index}}`
      await link.subscribe(channel, () => undefined).catch(() => undefined) // tried again by itself
      await link.unsubscribe(channel).catch(() => undefined) // it left by itself
      passing += 1
    }
  })
  const before = restored
  for (const channel of kept.slice(0, 12)) {
    const slot = slotOf(channel)
    const from = await cluster.ownerOf(slot)
    const to = (await cluster.primaries()).find((primary) => primary !== from)
    await cluster.moveSlot(slot, to ?? expect.fail())
  }
  // And one there and back, which a client that still thinks itself subscribed would not notice.
  for (let turn = 0; turn < 2; turn += 1) {
    const slot = slotOf(kept[20] ?? '')
    const from = await cluster.ownerOf(slot)
    const to = (await cluster.primaries()).filter((primary) => primary !== from)
    await cluster.moveSlot(slot, to[turn % to.length] ?? expect.fail())
    await sleep(100)
  }
  going = false
  await Promise.all(coming)
  expect(passing).toBeGreaterThan(20)
  await eventually(() => restored > before, { what: 'onRestored' })

  await eventually(
    async () => {
      await Promise.all(kept.map((channel) => link.command(['SPUBLISH', channel, 'last'])))
      await sleep(50)
      return kept.every((channel) => heard.get(channel) === 'last')
    },
    { what: 'every channel', timeoutMs: 5000 },
  )
  expect(link.state.name).toBe('ok')
})
