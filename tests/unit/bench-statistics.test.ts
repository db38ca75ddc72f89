import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createHistogram, quantileMs } from '../../bench/histogram.ts'
import { inverse, median, ratioOf, summarize } from '../../bench/statistics.ts'

test('the median is the middle one, or between the middle two, whatever the order', () => {
  expect(median([])).toBeUndefined()
  expect(median([7])).toBe(7)
  expect(median([9, 1, 5])).toBe(5)
  expect(median([4, 1, 3, 2])).toBe(2.5)
})

test('a summary leaves out turns without a figure', () => {
  expect(summarize([3, undefined, 1, Number.NaN, 2])).toEqual({
    ...{ median: 2, min: 1, max: 3, turns: 3 },
  })
  expect(summarize([undefined, undefined])).toBeUndefined()
})

test('a ratio is of medians; its extremes are of turns taken in pairs', () => {
  expect(ratioOf([20, 30, 40], [10, 10, 20])).toEqual({ ratio: 3, min: 2, max: 3 })
  // The second turn has no pair, and still counts for the median.
  expect(ratioOf([20, undefined, 40], [10, 10, 10])).toEqual({ ratio: 3, min: 2, max: 4 })
})

test('a ratio to nothing or to zero is no ratio', () => {
  expect(ratioOf([1], [0])).toBeUndefined()
  expect(ratioOf([1], [undefined])).toBeUndefined()
  expect(ratioOf([], [1])).toBeUndefined()
  expect(inverse(4)).toBe(0.25)
  expect(inverse(undefined)).toBeUndefined()
})

test('a histogram knows every quantile to 1.6 %', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 2_000_000_000 }), { minLength: 1, maxLength: 200 }),
      fc.double({ min: 0.001, max: 1, noNaN: true }),
      (values, share) => {
        const histogram = createHistogram()
        for (const value of values) histogram.record(value)
        const sorted = [...values].sort((a, b) => a - b)
        const exact = sorted[Math.ceil(share * values.length) - 1] ?? Number.NaN
        const found = histogram.quantile(share) ?? Number.NaN
        expect(Math.abs(found - exact)).toBeLessThanOrEqual(exact / 64 + 0.5)
      },
    ),
  )
})

test('histograms of several processes merge into the one they would have been', () => {
  const [together, first, second] = [createHistogram(), createHistogram(), createHistogram()]
  for (let value = 0; value < 10_000; value += 7) {
    together.record(value)
    ;(value % 2 === 0 ? first : second).record(value)
  }
  first.merge(second.counts())
  expect(first.count).toBe(together.count)
  expect(first.counts()).toEqual(together.counts())
})

test('a histogram holds what is out of its range at its ends', () => {
  const histogram = createHistogram()
  histogram.record(-5)
  expect(histogram.quantile(1)).toBe(0)
  histogram.record(1e15)
  expect(histogram.quantile(1)).toBeGreaterThan(2_000_000_000)
  expect(quantileMs(createHistogram().counts(), 0.5)).toBeUndefined()
})
