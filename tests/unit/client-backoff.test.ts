import { expect, test } from 'vitest'
import { retryDelay } from '../../client/backoff.ts'

const spread = (failures: number, retryAfterMs?: number) => {
  const delays = Array.from({ length: 500 }, () => retryDelay(failures, retryAfterMs))
  return { least: Math.min(...delays), most: Math.max(...delays), kinds: new Set(delays).size }
}

test('delays double from 500 ms, stay below 5 s, and are spread', () => {
  for (const [failures, ceiling] of [
    [0, 500],
    [1, 1_000],
    [3, 4_000],
    [4, 5_000],
    [1_000, 5_000],
  ] as const) {
    const { least, most, kinds } = spread(failures)
    expect(least).toBeGreaterThanOrEqual(ceiling / 2)
    expect(most).toBeLessThanOrEqual(ceiling)
    expect(kinds).toBeGreaterThan(400)
  }
})

test('never before what the gateway asked for', () => {
  expect(spread(0, 20_000).least).toBeGreaterThanOrEqual(20_000)
})
