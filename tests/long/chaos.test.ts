import { describe, expect, it } from 'vitest'
import { runCampaign } from '../chaos/campaign.ts'
import { FAULT_KINDS, type FaultKind, LOSSY_KINDS } from '../chaos/schedule.ts'

const campaigns: { name: string; rounds: number; kinds: readonly FaultKind[] }[] = [
  { name: 'D1 to D8, D10: 20 rounds', rounds: 20, kinds: FAULT_KINDS },
  { name: 'D1 to D8, D10: 20 more', rounds: 20, kinds: FAULT_KINDS },
  { name: 'D6: 9 rounds that lose data', rounds: 9, kinds: [...FAULT_KINDS, ...LOSSY_KINDS] },
]

describe('chaos at length, each campaign with a fresh seed', () => {
  for (const { name, rounds, kinds } of campaigns) {
    it(name, async () => {
      const seed = Math.floor(Math.random() * 2 ** 31)
      console.info(`chaos, seed ${seed}`)
      const load = { clients: 40, rooms: 6, rate: 250, lengthMs: 15_000 }
      const summary = await runCampaign({
        ...load,
        rounds,
        seed,
        kinds,
        keep: false,
        say: (line) => console.info(line),
      })
      console.info(JSON.stringify(summary))
      expect(summary).toMatchObject({ failed: false, problems: [], fullRounds: rounds })
      expect(Object.keys(summary.faults)).toEqual(expect.arrayContaining([...kinds]))
    })
  }
})
