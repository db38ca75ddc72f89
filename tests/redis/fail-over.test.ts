import { expect, test } from 'vitest'
import { NO_FAULTS } from '../chaos/checker.ts'
import { runFailOver, runUnconfirmed } from '../long/fail-over.ts'
import { testScope } from '../support/test-scope.ts'

test('D1 D6: what a replica confirmed survives the primary; whoever saw what did not is told', async () => {
  const load = { clients: 9, rooms: 4, rate: 60, lineMs: 50 }
  const figures = await runFailOver(testScope(), { ackReplicas: 1, seconds: 3, ...load })
  expect(figures).toMatchObject({
    ...NO_FAULTS,
    ackedLost: 0,
    clientDrops: 0,
    processDeaths: 0,
    problems: [],
  })
  expect(figures.ackedBeforeTheEnd).toBeGreaterThan(0)
})

test('D1 D2: without its replica an outcome is unknown, and sent again it is stored once', async () => {
  const figures = await runUnconfirmed(testScope(), 'replica', 10)
  expect(figures).toMatchObject({ notRetryable: 0, notStoredOnce: 0 })
  expect(figures.codes['OUTCOME_UNKNOWN']).toBeGreaterThan(0)
  expect(figures.storedByFirstTry).toBe(figures.answers)
})
