import { expect, test } from 'vitest'
import { testScope } from '../support/test-scope.ts'
import { noHarm, runOutage } from './outage.ts'
import { printFigures, setting } from './settings.ts'

const SECONDS = setting('OUTAGE_SECONDS', 60)

test.each([
  ['closed', 1000],
  ['frozen', 2000],
] as const)(
  'D7 D4: a %s Redis is named within %d ms, drops nobody, and all is whole 2 s after',
  async (how, limitMs) => {
    const figures = await runOutage(testScope(), {
      how,
      seconds: SECONDS,
      clients: 60,
      rooms: 40,
      rate: 20,
    })
    printFigures('outage', figures)
    expect(figures).toMatchObject(noHarm(figures.clients))
    expect(figures.failedSends).toBeGreaterThan(SECONDS)
    expect(figures.slowestAnswerMs).toBeLessThanOrEqual(limitMs)
    expect(figures.degradedMs).toBeLessThanOrEqual(limitMs)
    expect(figures.wholeMs).toBeLessThanOrEqual(2000)
  },
)
