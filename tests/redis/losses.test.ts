import { expect, test } from 'vitest'
import { NO_FAULTS } from '../chaos/checker.ts'
import { runLoss } from '../long/losses.ts'
import { testScope } from '../support/test-scope.ts'

// The other losses are among the faults of the chaos rounds.
test.each(['older-dump', 'lagging-replica'] as const)(
  'D6 %s: nobody goes on without being told',
  async (loss) => {
    const load = { clients: 12, away: 4, rooms: 4, rate: 60 }
    const figures = await runLoss(testScope(), { loss, seconds: 2, ...load })
    expect(figures).toMatchObject({ ...NO_FAULTS, silent: [], processDeaths: 0, problems: [] })
    expect(figures.ackedLost).toBeGreaterThan(0)
    expect(figures.affected).toBeGreaterThan(0)
  },
)
