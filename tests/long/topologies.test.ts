import { expect, test } from 'vitest'
import { runCampaign } from '../chaos/campaign.ts'
import { KINDS_OF } from '../chaos/schedule.ts'

const ROUNDS = Number(process.env['TOPOLOGY_ROUNDS'] ?? 10)
const SEED = Number(process.env['TOPOLOGY_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

test.each(['sentinel', 'cluster'] as const)(
  'D1 to D8, D10: fail-overs, and slots that move: %s',
  async (topology) => {
    console.info(`${topology}, seed ${SEED}`)
    const summary = await runCampaign({
      ...{ clients: 40, rooms: 6, rate: 250, lengthMs: 15_000, keep: false },
      ...{ topology, ackReplicas: 1, rounds: ROUNDS, seed: SEED, kinds: KINDS_OF[topology] },
      say: (line) => console.info(line),
    })
    console.info(JSON.stringify({ scenario: 'topology', ...summary, problems: undefined }))
    expect(summary).toMatchObject({
      ...{ lost: 0, repeated: 0, reordered: 0, torn: 0, holes: 0, resetsMissed: 0 },
      ...{ goneAfterKill: 0, processDeaths: 0, problems: [] },
    })
    expect(Object.keys(summary.faults)).toContain('primary-kill')
  },
)
