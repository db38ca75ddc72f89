import { expect, test } from 'vitest'
import { noHarm, runOutage } from '../long/outage.ts'
import { testScope } from '../support/test-scope.ts'

test.each([
  ['closed', 2],
  // Longer than a silent connection is waited for.
  ['frozen', 7],
] as const)(
  'D7 D4: a %s Redis drops nobody and loses nothing; all are told of it and of its end',
  async (how, seconds) => {
    const load = { clients: 9, rooms: 8, rate: 10 }
    const figures = await runOutage(testScope(), { how, seconds, ...load })
    expect(figures).toMatchObject(noHarm(figures.clients))
    expect(figures.failedSends).toBeGreaterThan(0)
  },
)
