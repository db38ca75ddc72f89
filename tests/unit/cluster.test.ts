import { expect, test } from 'vitest'
import { createMemoryDirectory } from '../../server/broker/memory-directory.ts'
import { createMemoryStore } from '../../server/broker/memory-store.ts'
import { createCluster } from '../../server/observability/cluster.ts'
import type { InstanceDirectory } from '../../server/observability/directory.ts'
import { createFeed } from '../../server/observability/feed.ts'
import { createOperatorNotes } from '../../server/observability/operator-notes.ts'
import { summaryOf } from '../support/instance-summary.ts'
import { testScope } from '../support/test-scope.ts'

/** @param before instances that are there already */
async function start(...before: string[]) {
  const scope = testScope()
  const time = { now: 0 }
  const now = () => time.now
  const store = createMemoryStore()
  const shared = createMemoryDirectory(store, now)
  for (const other of before) await shared.exchange(summaryOf(other))
  let away = false
  const directory: InstanceDirectory = {
    exchange: (own) => (away ? Promise.reject(new Error('away')) : shared.exchange(own)),
  }
  const feed = createFeed('one', 'boot of one', now)
  const cluster = createCluster({
    directory,
    own: () => summaryOf('one', { events: feed.recent() }),
    notes: createOperatorNotes(feed),
    heard: ({ events }) => feed.merge(events),
    now,
  })
  scope.defer(() => cluster.stop())
  const beats = async (ms: number, others: string[] = []) => {
    for (let passed = 0; passed < ms; passed += 500) {
      time.now += 500
      for (const other of others) await shared.exchange(summaryOf(other))
      await cluster.beat()
    }
  }
  const says = () => feed.since(0).map(({ words }) => words)
  const presences = () =>
    cluster.instances().map(({ instance, presence }) => `${instance} ${presence}`)
  return {
    cluster,
    time,
    shared,
    beats,
    says,
    presences,
    feed,
    cut: (cut: boolean) => (away = cut),
  }
}

test('one that appears, falls silent and is heard again is told of once each', async () => {
  const { beats, says, presences } = await start()
  await beats(3000)
  expect(presences()).toEqual(['one live'])
  await beats(1000, ['two'])
  expect(presences()).toEqual(['one live', 'two live'])
  await beats(4000)
  expect(presences()).toEqual(['one live', 'two silent'])
  await beats(1000, ['two'])
  expect(presences()).toEqual(['one live', 'two live'])
  expect(says()).toEqual([
    'two joined',
    'two went silent: no sign of it for 2.0 s',
    'two is heard again',
  ])
})

test('who was busy or stopped itself calls nobody silent', async () => {
  const { cluster, time, beats, says, presences } = await start('two')
  await beats(3000, ['two'])
  time.now += 10_000
  expect(presences()).toEqual(['one live', 'two live'])
  await beats(500, ['two'])
  expect(cluster.known).toBe(true)
  expect(says()).toEqual([])
})

test('one that stops says so, and comes back as a new process', async () => {
  const { shared, beats, says, presences } = await start('two')
  await beats(3000, ['two'])
  expect(says()).toEqual([]) // it was there before us
  await shared.exchange(summaryOf('two', { status: 'stopped' }))
  await beats(5000)
  expect(presences()).toEqual(['one live', 'two stopped'])
  await shared.exchange(summaryOf('two', { boot: 'another' }))
  await beats(500)
  expect(presences()).toEqual(['one live', 'two live'])
  expect(says()).toEqual(['two stopped, as it was told to', 'two is back as a new process'])
})

test('while the directory is away the others are unknown, and nobody is called silent for it', async () => {
  const { cluster, beats, says, presences, cut } = await start('two')
  await beats(3000, ['two'])
  cut(true)
  await beats(10_000)
  expect(cluster.known).toBe(false)
  expect(presences()).toEqual(['one live', 'two unknown'])
  cut(false)
  await beats(1000)
  await beats(4000, ['two'])
  expect(cluster.known).toBe(true)
  expect(presences()).toEqual(['one live', 'two live'])
  expect(says()).toEqual([])
})

test('what another tells of itself comes into the feed; one silent for a minute is forgotten', async () => {
  const { shared, beats, says, presences } = await start()
  await beats(3000)
  const theirs = createFeed('two', 'boot of two', () => 3000)
  createOperatorNotes(theirs).draining(5)
  await shared.exchange(summaryOf('two', { events: theirs.recent() }))
  await beats(500)
  expect(says()).toEqual(['two joined', 'Stopping: hands over 5 connections'])
  await beats(61_000)
  expect(presences()).toEqual(['one live'])
})
