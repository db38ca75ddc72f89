import { expect, test } from 'vitest'
import { NO_FAULTS } from '../chaos/checker.ts'
import { testScope } from '../support/test-scope.ts'
import { runLoss } from './losses.ts'
import { printFigures, setting } from './settings.ts'

const SECONDS = setting('LOSS_SECONDS', 20)

test.each([
  ['flush', 'FLUSHALL'],
  ['older-aof', 'an older append-only file restored'],
  ['older-dump', 'an older dump restored'],
  ['regrown', 'the tail of the AOF cut off, then more appended than was lost'],
  ['lagging-replica', 'a fail-over to a replica that lags'],
] as const)('D6 %s (%s): nobody goes on without being told', async (loss, _how) => {
  const load = { clients: 40, away: 20, rooms: 10, rate: 150 }
  const figures = await runLoss(testScope(), { loss, seconds: SECONDS, ...load })
  printFigures('losses', figures)
  expect(figures).toMatchObject({ ...NO_FAULTS, silent: [], processDeaths: 0, problems: [] })
  // Where nothing was lost, and nobody had seen it, nothing was proven.
  expect(figures.ackedLost).toBeGreaterThan(0)
  expect(figures.affected).toBeGreaterThan(0)
  expect(figures.told).toBe(figures.affected)
})
