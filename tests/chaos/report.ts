import type { Report } from './checker.ts'
import type { RivalReport } from './rival-checker.ts'
import type { RoundResult } from './round.ts'
import type { System } from './system.ts'

/** Counts that are violations; the others say how much was tried. */
const VIOLATIONS = [
  'lost',
  'repeated',
  'reordered',
  'torn',
  'holes',
  'resetsMissed',
  'altered',
  'rejected',
  'stuck',
] as const

/** What `--json` prints. Times in ms. */
export interface Summary {
  contender: string
  seed: number
  rounds: number
  /** Rounds of at least 15 s of load and 2,000 acknowledged messages. */
  fullRounds: number
  sent: number
  acked: number
  delivered: number
  lost: number
  repeated: number
  reordered: number
  torn: number
  holes: number
  altered: number
  rejected: number
  stuck: number
  resetsAnnounced: number
  /** Announced in rounds that took nothing away: allowed, but each should have a reason. */
  resetsUnneeded: number
  resetsMissed: number
  rolledBack: number
  duplicates: number
  unknownOutcomes: number
  processDeaths: number
  /** Connections that ended for no reason given by a fault. */
  clientDrops: number
  recoverMsP50: number
  recoverMsP99: number
  recoveries: number
  faults: Record<string, number>
  /** From the gateways' metrics: that these happened, nothing more. */
  gapsFilled: number
  resumes: Record<string, number>
  /** What nobody may ignore: failures to judge, escaped errors, deaths. */
  problems: string[]
  /** Only of stock set-ups. */
  missedAway?: number
  disagreements?: number
  positions?: number
  failed: boolean
}

export function summarise(
  seed: number,
  system: Pick<System, 'contender' | 'deaths' | 'problems' | 'tally'>,
  results: readonly RoundResult[],
): Summary {
  const sum = (key: keyof Report & keyof Summary): number =>
    results.reduce((total, { report }) => total + Number(report?.[key] ?? 0), 0)
  const rivalSum = (key: keyof RivalReport): number =>
    results.reduce((total, { rival }) => total + (rival?.[key] ?? 0), 0)
  const recoveries = results
    .flatMap((result) => result.recoveries.map(({ ms }) => ms))
    .sort((a, b) => a - b)
  const resumes: Record<string, number> = {}
  let gapsFilled = 0
  for (const [counter, value] of system.tally.sums()) {
    const outcome = /resumes_total\{outcome="([^"]+)"/.exec(counter)?.[1]
    if (outcome !== undefined) resumes[outcome] = value
    if (counter.startsWith('roomwire_gaps_filled_total')) gapsFilled += value
  }
  const failures = results
    .filter(({ failure }) => failure !== undefined)
    .map(({ plan, failure }) => `round ${plan.round}: ${failure}`)
  const stock = system.contender !== 'roomwire'
  const summary: Summary = {
    contender: system.contender,
    seed,
    rounds: results.length,
    fullRounds: results.filter(
      ({ tookMs, report, rival }) => tookMs >= 15_000 && ((report ?? rival)?.acked ?? 0) >= 2000,
    ).length,
    sent: sum('sent'),
    acked: sum('acked'),
    delivered: sum('delivered'),
    lost: sum('lost'),
    repeated: sum('repeated'),
    reordered: sum('reordered'),
    torn: sum('torn'),
    holes: sum('holes'),
    altered: sum('altered'),
    rejected: sum('rejected'),
    stuck: sum('stuck'),
    resetsAnnounced: sum('resetsAnnounced'),
    resetsUnneeded: results.reduce((total, { report }) => total + (report?.notices.length ?? 0), 0),
    resetsMissed: sum('resetsMissed'),
    rolledBack: sum('rolledBack'),
    duplicates: sum('duplicates'),
    unknownOutcomes: sum('unknownOutcomes'),
    processDeaths: system.deaths,
    clientDrops: results.reduce((total, { drops }) => total + drops.length, 0),
    recoverMsP50: percentile(recoveries, 0.5),
    recoverMsP99: percentile(recoveries, 0.99),
    recoveries: recoveries.length,
    faults: Object.fromEntries(merge(results.map(({ faults }) => faults))),
    gapsFilled,
    resumes,
    problems: [...failures, ...system.problems],
    failed: false,
  }
  if (stock) {
    for (const key of ['sent', 'acked', 'delivered', 'lost', 'repeated', 'rejected'] as const) {
      summary[key] = rivalSum(key)
    }
    summary.unknownOutcomes = rivalSum('unknownOutcomes')
    summary.missedAway = rivalSum('missedAway')
    summary.disagreements = rivalSum('disagreements')
    summary.reordered = summary.disagreements
    summary.positions = rivalSum('positions')
  }
  summary.failed =
    VIOLATIONS.some((key) => summary[key] > 0) ||
    summary.processDeaths > 0 ||
    summary.problems.length > 0
  return summary
}

/** One line for a round, while a run goes on. */
export function roundLine(result: RoundResult): string {
  const { plan, report, rival, failure, recoveries, faults, drops } = result
  const counts = report ?? rival
  const bad = VIOLATIONS.map((key) => [key, (report as Record<string, unknown> | undefined)?.[key]])
    .filter(([, value]) => Number(value ?? 0) > 0)
    .map(([key, value]) => `${key} ${value}`)
  if (rival !== undefined) {
    bad.push(`lost ${rival.lost}`, `missed away ${rival.missedAway}`)
    bad.push(`repeated ${rival.repeated}`, `disagreements ${rival.disagreements}`)
  }
  const unneeded = report?.notices.length ?? 0
  if (unneeded > 0) bad.push(`resets without need ${unneeded}`)
  if (drops.length > 0) bad.push(`connections dropped ${drops.length}`)
  const verdict = failure ?? (bad.length === 0 ? 'whole' : bad.join(', '))
  const [slowest] = recoveries.toSorted((a, b) => b.ms - a.ms)
  const recovery = slowest && `slowest recovery ${Math.round(slowest.ms)} ms after ${slowest.after}`
  const happened = [...faults].map(([kind, times]) => (times > 1 ? `${kind}×${times}` : kind))
  return `round ${plan.round}: acked ${counts?.acked ?? 0}, delivered ${counts?.delivered ?? 0}, ${recovery ?? 'no recovery measured'}, ${happened.join(' ')}: ${verdict}`
}

function merge(maps: readonly ReadonlyMap<string, number>[]): Map<string, number> {
  const all = new Map<string, number>()
  for (const map of maps) {
    for (const [key, value] of map) all.set(key, (all.get(key) ?? 0) + value)
  }
  return new Map([...all].sort(([a], [b]) => a.localeCompare(b)))
}

/** Of ascending values; 0 where there are none. */
function percentile(values: readonly number[], share: number): number {
  return Math.round(values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0)
}
