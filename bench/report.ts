import type { Contender } from './contenders/contender.ts'
import { type Machine, readMachine } from './machine.ts'
import { type Claim, holds, type Results, type Scenario, type Settings } from './scenario.ts'
import { type Ratio, ratioOf, type Summary, summarize } from './statistics.ts'
import type { Run } from './turns.ts'

/** What `--json` prints. */
export interface Report {
  scenario: string
  date: string
  machine: Machine
  options: Record<string, string | number>
  contenders: Record<string, string>
  variants: VariantReport[]
  claims: (Claim & { holds: boolean | undefined })[]
}

export interface VariantReport {
  variant: string
  contenders: {
    contender: string
    figures: Record<string, Summary>
    /** To Roomwire, formed so that more is better for Roomwire. */
    ratios: Record<string, Ratio>
    notes: string[]
    samples: Run['samples']
  }[]
}

export const OURS = 'roomwire'

export function createReport(
  scenario: Scenario,
  settings: Settings,
  options: Record<string, string | number>,
  runs: readonly Run[],
): Report {
  const results = resultsOf(scenario, runs)
  const contenders = new Map<string, Contender>(
    runs.map(({ contender }) => [contender.name, contender]),
  )
  return {
    scenario: scenario.name,
    date: new Date().toISOString(),
    machine: readMachine(),
    options,
    contenders: Object.fromEntries([...contenders].map(([name, { title }]) => [name, title])),
    variants: [...new Set(runs.map(({ variant }) => variant))].map((variant) => ({
      variant,
      contenders: runs
        .filter((run) => run.variant === variant)
        .map(({ contender, samples }) => ({
          contender: contender.name,
          figures: byMetric(scenario, (metric) => results.summary(variant, contender.name, metric)),
          ratios:
            contender.name === OURS
              ? {}
              : byMetric(scenario, (metric) => results.ratio(variant, contender.name, metric)),
          notes: countedNotes(samples),
          samples,
        })),
    })),
    claims: scenario.claims(results, settings).map((claim) => ({ ...claim, holds: holds(claim) })),
  }
}

export function resultsOf(scenario: Pick<Scenario, 'metrics'>, runs: readonly Run[]): Results {
  const figures = (variant: string, contender: string, metric: string) =>
    runs
      .find((run) => run.variant === variant && run.contender.name === contender)
      ?.samples.map((sample) => sample.figures[metric]) ?? []
  return {
    summary: (variant, contender, metric) => summarize(figures(variant, contender, metric)),
    ratio(variant, rival, metric) {
      const better = scenario.metrics.find(({ name }) => name === metric)?.better
      if (better === undefined) return undefined
      const theirs = figures(variant, rival, metric)
      const ours = figures(variant, OURS, metric)
      return better === 'lower' ? ratioOf(theirs, ours) : ratioOf(ours, theirs)
    },
  }
}

function byMetric<T>(
  scenario: Scenario,
  read: (metric: string) => T | undefined,
): Record<string, T> {
  const found = scenario.metrics.flatMap(({ name }): [string, T][] => {
    const value = read(name)
    return value === undefined ? [] : [[name, value]]
  })
  return Object.fromEntries(found)
}

/** What several turns say is said once, with a count. */
function countedNotes(samples: Run['samples']): string[] {
  const counts = new Map<string, number>()
  for (const { notes } of samples) {
    for (const note of notes) counts.set(note, (counts.get(note) ?? 0) + 1)
  }
  return [...counts].map(([note, count]) => (count === 1 ? note : `${note} (${count} turns)`))
}
