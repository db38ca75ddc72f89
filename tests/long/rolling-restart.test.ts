import { expect, test } from 'vitest'
import { NO_FAULTS } from '../chaos/checker.ts'
import { testScope } from '../support/test-scope.ts'
import { RETRYABLE, runRollingRestart } from './rolling-restart.ts'
import { printFigures, setting } from './settings.ts'

const CLIENTS = setting('ROLLING_CLIENTS', 3000)

test('D10: three instances restart one after the other under load; nothing is lost, nobody storms', async () => {
  const figures = await runRollingRestart(testScope(), {
    instances: 3,
    clients: CLIENTS,
    roomSize: 30,
    rate: 100,
    periodSeconds: 10,
  })
  printFigures('rolling-restart', figures)
  expect(figures).toMatchObject({ ...NO_FAULTS, startedOver: 0, processDeaths: 0, problems: [] })
  expect(RETRYABLE).toEqual(expect.arrayContaining(Object.keys(figures.failures)))
  expect(RETRYABLE).toEqual(expect.arrayContaining(Object.keys(figures.refusals)))
  expect(figures.resumes).toBeGreaterThanOrEqual(CLIENTS)
  for (const { served } of figures.restarts) expect(served).toBeGreaterThan(CLIENTS / 6)
  expect(figures.worstPeak).toBeLessThanOrEqual(2)
})
