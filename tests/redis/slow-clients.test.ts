import { expect, test } from 'vitest'
import { NO_HARM, runSlowClients } from '../long/slow-clients.ts'
import { testScope } from '../support/test-scope.ts'

test('D8: clients that do not read are cut off with a code and lose nothing', async () => {
  const figures = await runSlowClients(testScope(), {
    healthy: 20,
    stalled: 20,
    rate: 200,
    bodyChars: 4096,
    seconds: 9,
    warmUpSeconds: 1,
    phases: ['stalled'],
    stallSeconds: [7, 8],
  })
  expect(figures).toMatchObject(NO_HARM)
  expect(figures.slowClients).toBeGreaterThanOrEqual(20)
  expect(figures.growthStalledMiB).toBeLessThan(20 * 2 + 64)
})
