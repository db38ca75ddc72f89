import { expect, it } from 'vitest'
import { keepByKey } from '../../server/keep-by-key.ts'
import { promotedBy } from '../support/old-generation.ts'

interface Slot {
  key: string
  work: unknown[]
}

const slots = () =>
  keepByKey<Slot>(
    (key) => ({ key, work: [] }),
    ({ work }) => work.length === 0,
  )

it('finds by its key what was made for it', () => {
  const kept = slots()
  expect(kept.find('a')).toBeUndefined()
  const a = kept.of('a')
  expect(a.key).toBe('a')
  expect(kept.of('b')).not.toBe(a)
  expect(kept.of('a')).toBe(a)
  expect(kept.find('a')).toBe(a)
})

it('never drops what is busy, and does not grow with keys that were used once', () => {
  const kept = slots()
  const busy = Array.from({ length: 3000 }, (_, index) => {
    const slot = kept.of(`busy-${index}`)
    slot.work.push('something')
    return slot
  })
  const idle = Array.from({ length: 100_000 }, (_, index) => `idle-${index}`)
  for (const key of idle) kept.of(key)
  expect(busy.every((slot) => kept.find(slot.key) === slot)).toBe(true)
  expect(idle.filter((key) => kept.find(key) !== undefined).length).toBeLessThan(2 * 3000)

  for (const slot of busy) slot.work.length = 0
  for (const key of idle) kept.of(key)
  const stay = [...busy.map(({ key }) => key), ...idle].filter((key) => kept.find(key))
  expect(stay.length).toBeLessThanOrEqual(1024)
})

it('keeps what passes through it out of the old generation', () => {
  const kept = slots()
  const ends: (() => void)[] = []
  let passed = 0

  function pass(count: number): void {
    for (let index = 0; index < count; index += 1) {
      const slot = kept.of(`room-${passed % 50}`)
      passed += 1
      slot.work.push({ text: `${passed}`.padEnd(200, '.') })
      ends.push(() => slot.work.splice(0))
      if (ends.length > 4) ends.shift()?.()
    }
  }

  pass(1000)
  // With a Map that each is added to and deleted from these are 32 MB.
  expect(promotedBy(() => pass(200_000))).toBeLessThan(4_000_000)
})
