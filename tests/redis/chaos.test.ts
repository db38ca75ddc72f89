import { describe, expect, it } from 'vitest'
import { type CampaignOptions, runCampaign } from '../chaos/campaign.ts'
import { NO_FAULTS } from '../chaos/checker.ts'
import type { Summary } from '../chaos/report.ts'
import { FAULT_KINDS, LOSSY_KINDS } from '../chaos/schedule.ts'

/** What `npm run chaos` does by default, for some rounds; its windows go to the test's output. */
function run(
  options: Pick<CampaignOptions, 'seed' | 'rounds' | 'kinds'> & { lengthMs?: number },
): Promise<Summary> {
  console.info(`chaos, seed ${options.seed}`)
  return runCampaign({
    clients: 40,
    rooms: 6,
    rate: 250,
    lengthMs: 15_000,
    keep: false,
    say: (line) => console.info(line),
    ...options,
  })
}

const NOTHING_WRONG = { ...NO_FAULTS, failed: false, problems: [], processDeaths: 0 }

describe('chaos: instances, Redis, links and clients in trouble, judged by what clients saw', () => {
  it('D1 to D8, D10: a fixed seed', { timeout: 180_000 }, async () => {
    // Of which the one round has every kind.
    const summary = await run({ seed: 12, rounds: 1, kinds: FAULT_KINDS })
    expect(summary).toMatchObject({ ...NOTHING_WRONG, rounds: 1, fullRounds: 1 })
    // Where these never happened, nothing was proven.
    expect(Object.keys(summary.faults).length).toBeGreaterThan(FAULT_KINDS.length / 2)
    expect(summary.gapsFilled).toBeGreaterThan(0)
    expect(summary.resumes['recovered']).toBeGreaterThan(0)
    expect(summary.unknownOutcomes).toBeGreaterThan(0)
  })

  it('D1 to D8, D10: a fresh seed', { timeout: 120_000 }, async () => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const summary = await run({ seed, rounds: 1, kinds: FAULT_KINDS })
    expect(summary).toMatchObject({ ...NOTHING_WRONG, fullRounds: 1 })
  })

  it('D6: Redis loses what it had acknowledged, and everybody is told', {
    timeout: 180_000,
  }, async () => {
    const kinds = [...LOSSY_KINDS, 'client-drop', 'redis-cut'] as const
    const summary = await run({ seed: 30, rounds: 3, kinds, lengthMs: 8000 })
    expect(summary).toMatchObject({ ...NOTHING_WRONG, rounds: 3 })
    // Half of what is sent: shorter rounds than those of a campaign, but of no less load.
    expect(summary.acked).toBeGreaterThan(3 * 1000)
    expect(Object.keys(summary.faults)).toEqual(expect.arrayContaining([...LOSSY_KINDS]))
    expect(Math.min(summary.rolledBack, summary.resetsAnnounced)).toBeGreaterThan(0)
  })
})
