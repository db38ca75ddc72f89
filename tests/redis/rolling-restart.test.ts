import { expect, test } from 'vitest'
import { NO_FAULTS } from '../chaos/checker.ts'
import { RETRYABLE, runRollingRestart } from '../long/rolling-restart.ts'
import { testScope } from '../support/test-scope.ts'

test('D10: two instances behind HAProxy restart one after the other under load; nothing is lost', async () => {
  const load = { instances: 2, clients: 60, roomSize: 10, rate: 40, periodSeconds: 1 }
  const figures = await runRollingRestart(testScope(), load)
  expect(figures).toMatchObject({ ...NO_FAULTS, startedOver: 0, processDeaths: 0, problems: [] })
  expect(RETRYABLE).toEqual(expect.arrayContaining(Object.keys(figures.failures)))
  expect(RETRYABLE).toEqual(expect.arrayContaining(Object.keys(figures.refusals)))
  expect(figures.resumes).toBeGreaterThanOrEqual(60)
})
