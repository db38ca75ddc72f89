import { expect, test } from 'vitest'
import { type FuzzCounts, runFuzz } from '../fuzz/run.ts'
import { testScope } from '../support/test-scope.ts'

// A look in every direction; tests/long/fuzz.test.ts goes far. FUZZ_SEED repeats a run.
const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const counts: FuzzCounts = {
  ...{ requests: 4000, packets: 600, frames: 400 },
  ...{ http: 800, raw: 400, polls: 150, tokens: 1000 },
}

test(`7,350 fuzzed packets, frames, requests and tokens disturb nobody (seed ${seed})`, {
  timeout: 180_000,
}, async () => {
  const report = await runFuzz(testScope(), { seed, rounds: 1, counts })
  expect(report.problems).toEqual([])
  expect(report.inputs).toBe(7350)
  expect(report.bystanders).toBeGreaterThan(20)
})
