import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Entry } from '../../server/rooms/message-log.ts'
import { createRing } from '../../server/rooms/ring.ts'

function entry(offset: number, content = `${offset}`): Entry {
  return { offset, at: 1000 + offset, prevAt: offset === 1 ? 0 : 999 + offset, content }
}

const budgetOf = (maxBytes = 1_000_000) => ({ maxBytes, usedBytes: 0 })
const offsets = (entries: readonly Entry[]) => entries.map(({ offset }) => offset)

describe('ring', () => {
  it('holds the newest entries up to its capacity', () => {
    const ring = createRing(3, budgetOf())
    for (let offset = 1; offset <= 5; offset += 1) ring.push(entry(offset))
    expect(ring).toMatchObject({ floor: 2, size: 3 })
    expect(offsets(ring.after(2))).toEqual([3, 4, 5])
    expect(offsets(ring.after(4))).toEqual([5])
    expect(ring.after(5)).toEqual([])
    expect(offsets(ring.last(2))).toEqual([4, 5])
    expect(offsets(ring.last(9))).toEqual([3, 4, 5])
    expect(ring.last(0)).toEqual([])
  })

  it('refuses an entry that does not follow', () => {
    const ring = createRing(3, budgetOf())
    ring.reset(10)
    expect(() => ring.push(entry(10))).toThrow('does not follow')
    expect(() => ring.push(entry(12))).toThrow('does not follow')
    ring.push(entry(11))
    expect(() => ring.push(entry(11))).toThrow('does not follow')
  })

  it('knows the time of an entry from itself or from its successor', () => {
    const ring = createRing(2, budgetOf())
    for (let offset = 1; offset <= 4; offset += 1) ring.push(entry(offset))
    expect(ring.atOf(0)).toBe(0)
    expect(ring.atOf(1)).toBeUndefined()
    expect(ring.atOf(2)).toBe(1002) // dropped, but the third entry links to it
    expect(ring.atOf(3)).toBe(1003)
    expect(ring.atOf(4)).toBe(1004)
    expect(ring.atOf(5)).toBeUndefined()
  })

  it('D8 keeps nothing beyond the budget that all rings share, and gives back what it held', () => {
    const budget = budgetOf(100)
    const [one, other] = [createRing(10, budget), createRing(10, budget)]
    for (let offset = 1; offset <= 8; offset += 1) one.push(entry(offset, 'x'.repeat(10)))
    expect(budget.usedBytes).toBe(80)
    for (let offset = 1; offset <= 4; offset += 1) other.push(entry(offset, 'x'.repeat(15)))
    expect(other).toMatchObject({ floor: 3, size: 1 })
    expect(budget.usedBytes).toBe(95)
    other.push(entry(5, 'x'.repeat(30)))
    expect(other).toMatchObject({ floor: 5, size: 0 })
    expect(other.after(5)).toEqual([])
    expect(budget.usedBytes).toBe(80)
    other.push(entry(6, 'x'.repeat(15)))
    one.reset(8)
    expect(budget.usedBytes).toBe(15)
    other.reset(0)
    expect(budget.usedBytes).toBe(0)
  })

  it('is the end of a list, whatever is done to it', () => {
    const step = fc.oneof(
      { weight: 20, arbitrary: fc.record({ push: fc.string({ maxLength: 20 }) }) },
      { weight: 1, arbitrary: fc.record({ reset: fc.nat(1000) }) },
    )
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.nat(60),
        fc.array(step, { maxLength: 100 }),
        (capacity, maxBytes, steps) => {
          const budget = budgetOf(maxBytes)
          const ring = createRing(capacity, budget)
          let all: Entry[] = []
          let start = 0
          for (const each of steps) {
            if ('reset' in each) {
              ring.reset(each.reset)
              start = each.reset
              all = []
            } else {
              const next = entry(start + all.length + 1, each.push)
              ring.push(next)
              all.push(next)
            }
            const held = all.slice(ring.floor - start)
            expect(ring.size).toBe(held.length)
            expect(ring.size).toBeLessThanOrEqual(capacity)
            expect(ring.after(ring.floor)).toEqual(held)
            expect(ring.last(2)).toEqual(held.slice(-2))
            const bytes = held.reduce((sum, { content }) => sum + content.length, 0)
            expect(budget.usedBytes).toBe(bytes)
            expect(bytes).toBeLessThanOrEqual(maxBytes)
          }
        },
      ),
    )
  })
})
