import { expect, test } from 'vitest'
import { type FuzzCounts, runFuzz } from '../fuzz/run.ts'
import { testScope } from '../support/test-scope.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const scale = Number(process.env['FUZZ_SCALE'] ?? 1)
const ROUNDS = 5
const COUNTS: FuzzCounts = {
  ...{ requests: 100_000, packets: 20_000, frames: 10_000 },
  ...{ http: 40_000, raw: 10_000, polls: 5000, tokens: 20_000 },
}
/** Heap in use after the last round, beyond what the first one left, MiB. */
const MAX_GROWTH = 16

test(`200,000 fuzzed inputs: no crash, no unhandled rejection, no growth (seed ${seed})`, async () => {
  const counts = Object.fromEntries(
    Object.entries(COUNTS).map(([kind, count]) => [kind, Math.ceil(count * scale)]),
  ) as unknown as FuzzCounts
  const report = await runFuzz(testScope(), { seed, rounds: ROUNDS, counts })
  console.log(JSON.stringify({ scenario: 'fuzz', seed, ...report }))
  expect(report.problems).toEqual([])
  expect(report.inputs).toBeGreaterThanOrEqual(Math.floor(200_000 * scale))
  expect(report.bystanders).toBeGreaterThan(0)
  const [first = 0] = report.heapMiB
  expect(report.heapMiB.at(-1), report.heapMiB.join(', ')).toBeLessThanOrEqual(first + MAX_GROWTH)
})
