import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createTimeline } from '../../client/timeline.ts'
import type { RoomMessage } from '../../server/protocol.ts'

const message = (offset: number, epoch = 'e1'): RoomMessage => ({
  room: 'r',
  epoch,
  offset,
  id: `m${offset}`,
  from: { id: 'u' },
  body: offset,
  at: 1_000 + offset,
})
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => message(from + index))
const offsets = (messages: readonly RoomMessage[]) => messages.map(({ offset }) => offset)
const at = (offset: number, epoch = 'e1') => ({ epoch, offset, at: 1_000 + offset })

test('what is next is taken, what is here is a repeat, what is beyond is a hole (D3, D4)', () => {
  const timeline = createTimeline(100)
  timeline.reset(numbers(8, 10), at(10))
  expect(timeline.hasEarlier).toBe(true)
  expect(timeline.deliver(message(10))).toBe('repeat')
  expect(timeline.deliver(message(12))).toBe('hole')
  expect(timeline.deliver(message(11, 'e2'))).toBe('hole')
  expect(timeline.deliver(message(11))).toBe('next')
  expect(offsets(timeline.messages)).toEqual([8, 9, 10, 11])
  expect(timeline.position).toEqual(at(11))
})

test('a reset forgets, and goes on where it says (D6)', () => {
  const timeline = createTimeline(100)
  timeline.reset(numbers(1, 3), at(3))
  timeline.reset([], at(0, 'e2'))
  expect(timeline.messages).toEqual([])
  expect(timeline.hasEarlier).toBe(false)
  expect(timeline.deliver(message(4))).toBe('hole')
  expect(timeline.deliver(message(1, 'e2'))).toBe('next')
})

test('a page joins on only where it belongs; the oldest go beyond the limit (D8)', () => {
  const timeline = createTimeline(5)
  timeline.reset(numbers(8, 10), at(10))
  expect(timeline.prepend(numbers(3, 5), 6)).toBe(false)
  expect(timeline.prepend([message(7, 'e2')], 8)).toBe(false)
  expect(timeline.prepend(numbers(4, 7), timeline.first())).toBe(true)
  expect(offsets(timeline.messages)).toEqual([6, 7, 8, 9, 10])
  expect(timeline.deliver(message(11))).toBe('next')
  expect(offsets(timeline.messages)).toEqual([7, 8, 9, 10, 11])
  timeline.prepend(numbers(2, 6), 7)
  expect(offsets(timeline.messages)).toEqual([7, 8, 9, 10, 11])
  expect(timeline.hasEarlier).toBe(true)
})

test('an empty page says that there is nothing older: trimmed', () => {
  const timeline = createTimeline(5)
  timeline.reset(numbers(8, 10), at(10))
  timeline.prepend([], 8)
  expect(timeline.hasEarlier).toBe(false)
})

test('however deliveries come, the list has no hole, no repeat, and is in order (D3)', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 30 })), (deliveries) => {
      const timeline = createTimeline(10)
      timeline.reset([], at(0))
      for (const offset of deliveries) timeline.deliver(message(offset))
      const shown = offsets(timeline.messages)
      const last = timeline.position?.offset ?? 0
      expect(shown).toEqual(offsets(numbers(last - shown.length + 1, last)))
      expect(shown.length).toBe(Math.min(10, last))
    }),
  )
})
