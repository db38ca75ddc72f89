import { describe, expect, it } from 'vitest'
import { unexplainedDrops } from '../chaos/drops.ts'
import type { HistoryEvent } from '../chaos/history.ts'
import { FAULT_KINDS, isLossy, LOSSY_KINDS, planRounds } from '../chaos/schedule.ts'

const options = { seed: 7, rounds: 20, lengthMs: 15_000, instances: 3, kinds: FAULT_KINDS }

describe('the schedule of chaos', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(planRounds(options)).toEqual(planRounds(options))
    expect(planRounds(options)).not.toEqual(planRounds({ ...options, seed: 8 }))
  })

  it('holds every kind within a few rounds, and lets each one heal before the round ends', () => {
    const faults = planRounds(options).flatMap((plan) => plan.faults)
    expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(FAULT_KINDS))
    for (const { at, lastsMs } of faults) expect(at + lastsMs).toBeLessThanOrEqual(15_000)
    expect(faults.length).toBeGreaterThan(20 * 4)
    // Some overlap: that is where the worst of them are.
    const overlaps = planRounds(options).filter((plan) =>
      plan.faults.some((fault, index) => {
        const next = plan.faults[index + 1]
        return next !== undefined && next.at < fault.at + fault.lastsMs
      }),
    )
    expect(overlaps.length).toBeGreaterThan(5)
  })

  it('takes data away once a round, where asked to', () => {
    const plans = planRounds({ ...options, kinds: [...FAULT_KINDS, ...LOSSY_KINDS] })
    for (const { faults } of plans) {
      expect(faults.filter(({ kind }) => isLossy(kind))).toHaveLength(1)
    }
  })
})

describe('connections that ended without a reason', () => {
  const connected = (t: number): HistoryEvent => ({ type: 'served', client: 'a', instance: 'g', t })
  const ended = (t: number): HistoryEvent => ({
    type: 'disconnected',
    client: 'a',
    reason: 'ping timeout',
    t,
  })
  const fault = (kind: string, target: string, t: number): HistoryEvent[] => [
    { type: 'fault', kind, target, phase: 'begin', t },
    { type: 'fault', kind, target, phase: 'end', t: t + 100 },
  ]

  it('are those that no fault of the client or of its instance explains', () => {
    expect(unexplainedDrops([connected(0), ended(10)])).toHaveLength(1)
    const redis = [connected(0), ...fault('redis-kill', '', 5), ended(1000)]
    expect(unexplainedDrops(redis)).toHaveLength(1)
    const other = [connected(0), ...fault('instance-kill', 'h', 5), ended(1000)]
    expect(unexplainedDrops(other)).toHaveLength(1)
    const mine = [connected(0), ...fault('instance-freeze', 'g', 5), ended(9000)]
    expect(unexplainedDrops(mine)).toHaveLength(0)
    expect(unexplainedDrops([...mine, connected(60_000), ended(61_000)])).toHaveLength(1)
  })
})
