import { expect, test } from 'vitest'
import { testScope } from '../support/test-scope.ts'
import { printFigures, setting } from './settings.ts'
import { NO_HARM, PING_TIMES_OUT_MS, runSlowClients } from './slow-clients.ts'

/** With stalled clients, in two phases; two more as long without them. */
const SECONDS = setting('SLOW_SECONDS', 300)
const CLIENTS = setting('SLOW_CLIENTS', 500)

const BACKLOG_MIB = 2
const RING_MIB = 64

test('D8: clients that do not read are cut off with a code, lose nothing, and disturb nobody', async () => {
  const figures = await runSlowClients(testScope(), {
    healthy: CLIENTS,
    stalled: CLIENTS,
    rate: 100,
    bodyChars: 4096,
    seconds: SECONDS / 2,
    warmUpSeconds: 10,
    phases: ['stalled', 'alone', 'stalled', 'alone'],
    stallSeconds: [20, 35],
  })
  printFigures('slow-clients', figures)
  expect(figures).toMatchObject(NO_HARM)
  expect(figures.slowClients).toBeGreaterThanOrEqual(2 * CLIENTS)
  expect(figures.allCutMs).toBeGreaterThan(0)
  expect(figures.allCutMs).toBeLessThan(PING_TIMES_OUT_MS)
  expect(figures.growthStalledMiB).toBeLessThan(CLIENTS * BACKLOG_MIB + RING_MIB)
  expect(figures.p99Ratio).toBeLessThanOrEqual(1.5)
})
