import { describe, expect, it } from 'vitest'
import {
  type Claim,
  type Entry,
  PAGE_BYTES,
  type Page,
  type Tail,
} from '../../server/rooms/message-log.ts'
import { createReplica, type Replica } from '../../server/rooms/replica.ts'

const EPOCH = 'e1'
const CAPACITY = 5
const RESUME_MAX = 8

/** Entries at times 10, 20, 30 …, so that `at` is the offset's tenfold. */
function entry(offset: number, changes: Partial<Entry> = {}): Entry {
  return { offset, at: offset * 10, prevAt: (offset - 1) * 10, content: `m${offset}`, ...changes }
}

function entries(from: number, to: number): Entry[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => entry(from + index))
}

function place(offset: number, epoch = EPOCH): Tail {
  return { epoch, offset, at: offset * 10 }
}

function page(from: number, to: number): Page {
  return { tail: place(to), continuity: 'whole', entries: entries(from, to) }
}

function replicaAt(from: number, to: number, asked = CAPACITY): Replica {
  const replica = createReplica(
    { ringCapacity: CAPACITY, resumeMax: RESUME_MAX },
    { maxBytes: 1000, usedBytes: 0 },
  )
  replica.seed(page(from, to), asked)
  return replica
}

const recovered = (from: number, to: number) => ({ recovered: true, entries: entries(from, to) })
const notRecovered = (from: number, to: number) => ({
  recovered: false,
  entries: entries(from, to),
})

describe('accepting what was published', () => {
  it('D3 takes the next entry, and only that', () => {
    const replica = replicaAt(6, 10)
    expect(replica.accept(EPOCH, entry(12))).toBe('gap')
    expect(replica.tail).toEqual(place(10))
    expect(replica.accept(EPOCH, entry(11))).toBe('next')
    expect(replica.accept(EPOCH, entry(12))).toBe('next')
    expect(replica.tail).toEqual(place(12))
  })

  it('knows a repeated entry again', () => {
    const replica = replicaAt(6, 10)
    expect(replica.accept(EPOCH, entry(10))).toBe('known')
    expect(replica.accept(EPOCH, entry(6))).toBe('known')
  })

  it('D6 tells what cannot be compared, or contradicts', () => {
    const replica = replicaAt(6, 10)
    expect(replica.accept(EPOCH, entry(5))).toBe('known') // by its successor's link
    expect(replica.accept(EPOCH, entry(4))).toBe('old')
    expect(replica.accept(EPOCH, entry(10, { at: 101 }))).toBe('broken')
    expect(replica.accept(EPOCH, entry(8, { at: 81 }))).toBe('broken')
    expect(replica.accept(EPOCH, entry(11, { prevAt: 99 }))).toBe('broken')
    expect(replica.accept('e2', entry(11))).toBe('foreign')
    expect(replica.tail).toEqual(place(10))
  })

  it('takes nothing before it has a place', () => {
    const replica = createReplica(
      { ringCapacity: CAPACITY, resumeMax: RESUME_MAX },
      { maxBytes: 1000, usedBytes: 0 },
    )
    expect(replica.accept(EPOCH, entry(1))).toBe('foreign')
  })

  it('goes on from a place that it adopts, with nothing before it', () => {
    const replica = replicaAt(6, 10)
    replica.adopt({ epoch: 'e2', offset: 20, at: 200 })
    expect(replica.accept(EPOCH, entry(11))).toBe('foreign')
    expect(replica.accept('e2', entry(20))).toBe('known')
    expect(replica.accept('e2', entry(19))).toBe('old')
    expect(replica.accept('e2', entry(21))).toBe('next')
    expect(replica.after(place(20, 'e2'))).toEqual([entry(21)])
    expect(replica.after(place(19, 'e2'))).toBeUndefined()
  })
})

describe('what follows a place', () => {
  it('D6 is only known where the place is one of ours', () => {
    const replica = replicaAt(6, 10)
    expect(replica.after(place(8))).toEqual(entries(9, 10))
    expect(replica.after(place(5))).toEqual(entries(6, 10))
    expect(replica.after(place(10))).toEqual([])
    for (const other of [8, 5, 10].map((offset) => place(offset))) {
      expect(replica.after({ ...other, at: 1 })).toBe('unsure')
      expect(replica.after({ ...other, epoch: 'e2' })).toBe('unsure')
    }
    expect(replica.after(place(4))).toBeUndefined()
  })
})

describe('starting from a page', () => {
  it('starts an empty room', () => {
    const replica = replicaAt(1, 0)
    expect(replica.tail).toEqual({ epoch: EPOCH, offset: 0, at: 0 })
    expect(replica.answer(undefined, 50, false)).toEqual(recovered(1, 0))
    expect(replica.accept(EPOCH, entry(1))).toBe('next')
  })

  it.each<[string, Page, number]>([
    ['entries past the tail', { ...page(6, 10), tail: place(8) }, 0],
    ['a log that ends before the tail', { ...page(6, 10), tail: place(12) }, 0],
    ['no entries at all', { ...page(6, 10), entries: [] }, 0],
    ['a hole', { ...page(6, 10), entries: [entry(6), entry(7), entry(9), entry(10)] }, 2],
    [
      'a wrong link',
      { ...page(6, 10), entries: [...entries(6, 8), entry(9, { prevAt: 1 }), entry(10)] },
      2,
    ],
    ['a tail of another time', { ...page(6, 10), tail: { ...place(10), at: 99 } }, 0],
  ])('D6 keeps only what leads up to the tail: %s', (_name, given, kept) => {
    const replica = replicaAt(1, 0)
    replica.seed(given, CAPACITY)
    const { tail } = given
    expect(replica.tail).toEqual(tail)
    const at = given.entries.at(-kept)?.prevAt ?? 0
    const floor = kept === 0 ? tail : { ...tail, offset: tail.offset - kept, at }
    expect(replica.after(floor)).toHaveLength(kept)
    expect(replica.after({ ...floor, offset: floor.offset - 1 })).toBeUndefined()
    const next = { ...entry(tail.offset + 1), prevAt: tail.at }
    expect(replica.accept(EPOCH, next)).toBe('next')
  })
})

describe('answering a join from memory', () => {
  it('without a position: the newest, as far as memory or the log reach', () => {
    expect(replicaAt(6, 10).answer(undefined, 3, false)).toEqual(recovered(8, 10))
    expect(replicaAt(6, 10).answer(undefined, 0, false)).toEqual(recovered(1, 0))
    expect(replicaAt(6, 10).answer(undefined, 6, false)).toBe('log')
    expect(replicaAt(1, 3).answer(undefined, 50, false)).toEqual(recovered(1, 3))
    // The log was asked for more than it had, so that there is nothing older in it.
    expect(replicaAt(8, 10).answer(undefined, 50, false)).toEqual(recovered(8, 10))
    const filled = replicaAt(8, 10)
    for (const each of entries(11, 14)) filled.accept(EPOCH, each)
    expect(filled.answer(undefined, 50, false)).toBe('log') // the ring dropped what the log still has
  })

  it.each<[string, Claim, ReturnType<Replica['answer']>]>([
    ['the tail', place(10), recovered(11, 10)],
    ['a place in memory', place(7), recovered(8, 10)],
    ['the place just before memory', place(5), recovered(6, 10)],
    ['a place before memory', place(4), 'log'],
    ['a place whose time nobody can tell', { epoch: EPOCH, offset: 7 }, recovered(8, 10)],
    ['another time at that offset', { ...place(7), at: 71 }, 'unsure'],
    ['another time at the tail', { ...place(10), at: 101 }, 'unsure'],
    ['another time just before memory', { ...place(5), at: 51 }, 'unsure'],
    ['a place beyond the tail', place(11), 'unsure'],
    ['another epoch', place(7, 'e0'), 'unsure'],
    ['more than a resume may bring', place(1), notRecovered(8, 10)],
  ])('D5, D6 from %s', (_name, since, expected) => {
    expect(replicaAt(6, 10).answer(since, 3, false)).toEqual(expected)
  })

  it('D8 no answer is longer than a page of the log', () => {
    const replica = createReplica(
      { ringCapacity: CAPACITY, resumeMax: RESUME_MAX },
      { maxBytes: 10 * PAGE_BYTES, usedBytes: 0 },
    )
    const content = 'x'.repeat(0.4 * PAGE_BYTES)
    const large = [1, 2, 3, 4].map((offset) => entry(offset, { content }))
    replica.seed({ tail: place(4), continuity: 'whole', entries: large }, CAPACITY)
    expect(replica.answer(undefined, 4, false)).toEqual({
      recovered: true,
      entries: large.slice(2),
    })
    expect(replica.answer(place(2), 4, false)).toEqual({ recovered: true, entries: large.slice(2) })
    expect(replica.answer(place(1), 1, false)).toEqual({
      recovered: false,
      entries: large.slice(3),
    })
  })

  it('D6 a claim that contradicts a verified tail is not recovered', () => {
    const replica = replicaAt(6, 10)
    for (const since of [{ ...place(7), at: 71 }, place(11), place(7, 'e0')]) {
      expect(replica.answer(since, 2, true)).toEqual(notRecovered(9, 10))
      expect(replica.answer(since, 6, true)).toBe('log')
    }
  })

  it('D5 the beginning of a room is a place like any other', () => {
    const since = { epoch: EPOCH, offset: 0 }
    expect(replicaAt(1, 3).answer(since, 50, false)).toEqual(recovered(1, 3))
    expect(replicaAt(4, 8).answer(since, 50, false)).toBe('log')
    expect(replicaAt(6, 10).answer(since, 3, false)).toEqual(notRecovered(8, 10))
  })
})
