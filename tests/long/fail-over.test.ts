import { describe, expect, test } from 'vitest'
import { NO_FAULTS } from '../chaos/checker.ts'
import { createScope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'
import { runFailOver, runUnconfirmed } from './fail-over.ts'
import { printFigures, setting } from './settings.ts'

const TIMES = setting('FAIL_OVER_TIMES', 5)
const SECONDS = setting('FAIL_OVER_SECONDS', 15)

describe.each([1, 0] as const)(
  'ROOM_ACK_REPLICAS=%d, the primary is killed under load and its replica promoted',
  (ackReplicas) => {
    test('D1 D6: what was confirmed is there, and whoever saw what is gone is told', async () => {
      let lost = 0
      for (let time = 1; time <= TIMES; time += 1) {
        await using scope = createScope()
        const load = { clients: 45, rooms: 9, rate: 200, lineMs: ackReplicas === 1 ? 40 : 150 }
        const figures = await runFailOver(scope, { ackReplicas, seconds: SECONDS, ...load })
        printFigures('fail-over', { time, ...figures })
        const whole = { ...NO_FAULTS, clientDrops: 0, processDeaths: 0, problems: [] }
        expect(figures).toMatchObject(whole)
        expect(figures.ackedBeforeTheEnd).toBeGreaterThan(SECONDS * 20)
        if (ackReplicas === 1) expect(figures.ackedLost).toBe(0)
        lost += figures.ackedLost
      }
      // Where nothing was lost without it, the replica's confirmation proves nothing.
      if (ackReplicas === 0) expect(lost).toBeGreaterThan(0)
    })
  },
)

test.each(['replica', 'primary'] as const)(
  'D1 D7 D2: a silent %s makes outcomes unknown within 2 s; sent again they are stored once',
  async (who) => {
    const figures = await runUnconfirmed(testScope(), who, 40)
    printFigures('unconfirmed', figures)
    expect(figures).toMatchObject({ notRetryable: 0, notStoredOnce: 0 })
    expect(figures.codes['OUTCOME_UNKNOWN']).toBeGreaterThan(0)
    expect(figures.slowestAnswerMs).toBeLessThanOrEqual(2000)
  },
)
