import { expect, test } from 'vitest'
import { createFeed } from '../../server/observability/feed.ts'

const happening = { kind: 'drain', mood: 'info', words: 'Stopping' } as const

function feedAt(start = 1000) {
  const time = { now: start }
  return { time, feed: createFeed('one', 'boot-1', () => time.now) }
}

test('what was added or changed since a revision comes once, oldest first', () => {
  const { feed } = feedAt()
  feed.note(happening)
  const update = feed.note({ ...happening, words: 'Lost: closed' })
  const { revision } = feed
  expect(feed.since(0).map(({ words }) => words)).toEqual(['Stopping', 'Lost: closed'])
  expect(feed.since(revision)).toEqual([])
  update('Lost: refused')
  expect(feed.since(revision)).toMatchObject([{ words: 'Lost: refused', instance: 'one' }])
})

test('repeats within a minute are counted, later ones are new', () => {
  const { feed, time } = feedAt()
  for (const words of ['first', 'second']) {
    feed.note({ ...happening, words, key: 'k' })
    time.now += 60_000
  }
  expect(feed.since(0)).toMatchObject([{ words: 'second', count: 2, at: 1000, lastAt: 61_000 }])
  time.now += 1
  feed.note({ ...happening, words: 'third', key: 'k' })
  expect(feed.since(0)).toMatchObject([{ count: 2 }, { words: 'third', count: 1 }])
})

test('it holds 200 events (D8)', () => {
  const { feed } = feedAt()
  for (let index = 0; index < 1000; index++) feed.note({ ...happening, words: `${index}` })
  const kept = feed.since(0)
  expect(kept).toHaveLength(200)
  expect(kept[0]?.words).toBe('800')
})

test('others are told of the latest 8 of one’s own of half a minute, but not of local ones', () => {
  const { feed, time } = feedAt()
  feed.note({ ...happening, words: 'old' })
  time.now += 30_000
  feed.note({ ...happening, words: 'local', local: true })
  for (let index = 1; index <= 9; index++) feed.note({ ...happening, words: `${index}` })
  expect(feed.recent().map(({ words }) => words)).toEqual([...'23456789'])
})

test('another instance’s events are taken over once, brought up to date, and not told on', () => {
  const { feed, time } = feedAt()
  const other = createFeed('two', 'boot-2', () => time.now)
  const update = other.note(happening)
  const exchange = () => feed.merge(structuredClone(other.recent()))
  exchange()
  exchange()
  expect(feed.since(0)).toMatchObject([{ words: 'Stopping', instance: 'two', id: 'boot-2:1' }])
  const { revision } = feed
  exchange()
  expect(feed.revision).toBe(revision)
  update('Stopping, 3 left')
  exchange()
  expect(feed.since(revision)).toMatchObject([{ words: 'Stopping, 3 left' }])
  expect(feed.recent()).toEqual([])
})

test('what is no event is left out, and nobody can change one’s own', () => {
  const { feed } = feedAt()
  feed.note(happening)
  const [own] = feed.since(0)
  if (own === undefined) throw new Error('no event')
  const forged = [null, 1, {}, { ...own, id: 'x:1', mood: 'happy' }, { ...own, id: 5 }]
  const long = { ...own, id: 'x:2', words: 'x'.repeat(5000) }
  feed.merge([...forged, long, { ...own, words: 'forged' }] as never)
  expect(feed.since(0)).toMatchObject([{ words: 'Stopping' }])
})
