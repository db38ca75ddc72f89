import { NO_FAULTS, type Report } from './checker.ts'
import type { RivalReport } from './rival-checker.ts'
import type { RoundResult } from './round.ts'
import type { Topology } from './store.ts'
import type { Contender, System } from './system.ts'

/** Counts that are violations; the others say how much was tried. */
const VIOLATIONS = Object.keys(NO_FAULTS) as (keyof typeof NO_FAULTS)[]

/** What is said of any contender. Times in ms. */
interface Run {
  contender: Contender
  topology: Topology
  seed: number
  rounds: number
  /** Rounds of at least 15 s of load and 2,000 acknowledged messages. */
  fullRounds: number
  processDeaths: number
  /** Connections that ended for no reason given by a fault. */
  clientDrops: number
  /** The longest that the recording process itself was late. */
  lagMsMax: number
  /** Faults that really happened, by kind. */
  faults: Record<string, number>
  /** What nobody may ignore: failures to judge, escaped errors, deaths. */
  problems: string[]
  failed: boolean
}

type Counts = Omit<Report, 'violations' | 'notices'>

/** What `--json` prints of Roomwire. */
export interface Summary extends Run, Counts {
  /** Resets in rounds that took nothing away: allowed, but each should have a reason. */
  resetsUnneeded: number
  /** From the end of a fault to every client whole; `recoveries` is how many were measured. */
  recoverMsP50: number
  recoverMsP99: number
  recoveries: number
  /** From the gateways' metrics: that these happened, nothing more. */
  gapsFilled: number
  resumes: Record<string, number>
}

/** What `--json` prints of a stock set-up. */
export type RivalSummary = Run & RivalReport

export function summarise(seed: number, system: System, results: readonly RoundResult[]): Summary {
  const counts = sumOf(results.flatMap(({ report }) => report ?? []))
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
  const run = runOf(seed, system, results)
  return {
    ...run,
    ...counts,
    resetsUnneeded: results.reduce((total, { report }) => total + (report?.notices.length ?? 0), 0),
    recoverMsP50: percentile(recoveries, 0.5),
    recoverMsP99: percentile(recoveries, 0.99),
    recoveries: recoveries.length,
    gapsFilled,
    resumes,
    failed: run.failed || VIOLATIONS.some((key) => counts[key] > 0),
  }
}

export function summariseRival(
  seed: number,
  system: System,
  results: readonly RoundResult[],
): RivalSummary {
  const run = runOf(seed, system, results)
  return { ...run, ...sumOf(results.flatMap(({ rival }) => rival ?? [])) }
}

function runOf(seed: number, system: System, results: readonly RoundResult[]): Run {
  const failures = results
    .filter(({ failure }) => failure !== undefined)
    .map(({ plan, failure }) => `round ${plan.round}: ${failure}`)
  const problems = [...failures, ...system.problems]
  return {
    contender: system.contender,
    topology: system.store.topology,
    seed,
    rounds: results.length,
    fullRounds: results.filter(
      ({ tookMs, report, rival }) => tookMs >= 15_000 && ((report ?? rival)?.acked ?? 0) >= 2000,
    ).length,
    processDeaths: system.deaths,
    clientDrops: results.reduce((total, { drops }) => total + drops.length, 0),
    lagMsMax: Math.max(0, ...results.map(({ lagMs }) => lagMs)),
    faults: Object.fromEntries(merge(results.map(({ faults }) => faults))),
    problems,
    failed: system.deaths > 0 || problems.length > 0,
  }
}

/** Adds up the numbers of reports of one kind; what is no number is left out. */
function sumOf<Kind extends Report | RivalReport>(
  reports: readonly Kind[],
): Kind extends Report ? Counts : RivalReport {
  const total: Record<string, number> = {}
  for (const report of reports) {
    for (const [key, value] of Object.entries(report)) {
      if (typeof value === 'number') total[key] = (total[key] ?? 0) + value
    }
  }
  return total as unknown as Kind extends Report ? Counts : RivalReport
}

/** One line for a round, while a run goes on. */
export function roundLine(result: RoundResult): string {
  const { plan, report, rival, failure, recoveries, faults, drops, lagMs } = result
  const counts = report ?? rival
  const bad = VIOLATIONS.map((key) => [key, (report as Record<string, unknown> | undefined)?.[key]])
    .filter(([, value]) => Number(value ?? 0) > 0)
    .map(([key, value]) => `${key} ${value}`)
  if (rival !== undefined) {
    bad.push(`lost ${rival.lost}`, `missed away ${rival.missedAway}`)
    bad.push(`repeated ${rival.repeated}`, `disagreements ${rival.disagreements}`)
  }
  // Allowed where data was taken away; said all the same.
  const gone = report?.rolledBack ?? 0
  const unneeded = report?.notices.length ?? 0
  if (unneeded > 0) bad.push(`resets without need ${unneeded}`)
  if (drops.length > 0) bad.push(`connections dropped ${drops.length}`)
  const verdict = failure ?? (bad.length === 0 ? 'whole' : bad.join(', '))
  const [slowest] = recoveries.toSorted((a, b) => b.ms - a.ms)
  const recovery = slowest && `slowest recovery ${Math.round(slowest.ms)} ms after ${slowest.after}`
  const happened = [...faults].map(([kind, times]) => (times > 1 ? `${kind}×${times}` : kind))
  return `round ${plan.round}: acked ${counts?.acked ?? 0}, delivered ${counts?.delivered ?? 0}, ${recovery ?? 'no recovery measured'}, own lag ${lagMs} ms, ${happened.join(' ')}${gone > 0 ? `, rolled back ${gone}` : ''}: ${verdict}`
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
