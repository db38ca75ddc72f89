import { createScope, type Scope } from '../tests/support/scope.ts'
import type { Contender } from './contenders/contender.ts'
import type { Sample, Scenario, Settings } from './scenario.ts'

/** All turns of one contender under one variant. */
export interface Run {
  variant: string
  contender: Contender
  samples: Sample[]
}

/** More than the kernel's own work, which nobody else's figures hold. */
const DISTURBED_CORES = 0.3

/**
 * Runs everybody in turns (A B C A B C …), so that a machine that slows down or is disturbed does so
 * to all. A turn that fails gives no figures and a note; the others go on.
 */
export async function runTurns(
  scenario: Scenario,
  contenders: readonly Contender[],
  settings: Settings,
  say: (line: string) => void,
): Promise<Run[]> {
  const runs: Run[] = []
  for (const variant of scenario.variants(settings)) {
    const taking = contenders.filter((contender) => variant.takes?.(contender) ?? true)
    const own = taking.map((contender) => ({
      variant: variant.name,
      contender,
      samples: [] as Sample[],
    }))
    runs.push(...own)
    for (let turn = 1; turn <= settings.turns; turn += 1) {
      for (const { contender, samples } of own) {
        const sample = await runTurn((scope) => variant.turn(scope, contender))
        samples.push(sample)
        const where = `${variant.name}, turn ${turn}/${settings.turns}, ${contender.name}`
        say(`${where}: ${briefly(scenario, sample)}`)
      }
    }
  }
  return runs
}

async function runTurn(turn: (scope: Scope) => Promise<Sample>): Promise<Sample> {
  const scope = createScope()
  const interrupted = () => void scope.close().finally(() => process.exit(130))
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  try {
    const sample = await turn(scope)
    if ((sample.figures['otherCores'] ?? 0) > DISTURBED_CORES) {
      sample.notes.push(`disturbed: others used more than ${DISTURBED_CORES} cores`)
    }
    return sample
  } catch (error) {
    return { figures: {}, notes: [`the turn failed: ${(error as Error).message}`] }
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
    await scope.close().catch((error: unknown) => {
      process.stderr.write(`ending a turn: ${(error as Error).message}\n`)
    })
  }
}

function briefly(scenario: Scenario, { figures, notes }: Sample): string {
  const parts = scenario.metrics.flatMap(({ name, title, unit, digits }) => {
    const figure = figures[name]
    return figure === undefined ? [] : [`${title} ${figure.toFixed(digits ?? 1)} ${unit}`.trim()]
  })
  return [...parts, ...notes].join(', ')
}
