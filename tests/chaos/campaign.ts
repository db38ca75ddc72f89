import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createScope } from '../support/scope.ts'
import { toJsonLines } from './history.ts'
import { type RivalSummary, roundLine, type Summary, summarise, summariseRival } from './report.ts'
import { type RoundOptions, type RoundResult, runRound } from './round.ts'
import { type FaultKind, isLossy, planRounds } from './schedule.ts'
import type { Topology } from './store.ts'
import { type Contender, type Rival, type System, startSystem } from './system.ts'
import { showWindow } from './window.ts'

const INSTANCES = 3
/** Windows printed for one round; the rest is in its file. */
const SHOWN = 5
/** Rounds after which the log of past rooms is taken out of Redis, so that restarts stay short. */
const SWEEP_EVERY = 5

export interface CampaignOptions extends RoundOptions {
  rounds: number
  seed: number
  kinds: readonly FaultKind[]
  topology?: Topology
  /** Replicas that must have a message before it is acknowledged; then a kill may take none. */
  ackReplicas?: number
  /** Every round's history is written, not only where something was odd. */
  keep: boolean
  /** Takes lines of progress, and what there is to say about violations. */
  say(line: string): void
}

/** Of acknowledged messages that are gone, those that a killed primary took with it. */
export interface TopologySummary extends Summary {
  ackReplicas: number
  goneAfterKill: number
}

/** Runs rounds against Roomwire. */
export function runCampaign(options: CampaignOptions): Promise<TopologySummary> {
  const { ackReplicas = 0 } = options
  return runRounds('roomwire', options, (seed, system, results) => {
    const summary = summarise(seed, system, results)
    const goneAfterKill = results
      .filter(({ plan }) =>
        plan.faults.every(({ kind }) => !isLossy(kind) || kind === 'primary-kill'),
      )
      .reduce((total, { report }) => total + (report?.rolledBack ?? 0), 0)
    const failed = summary.failed || (ackReplicas > 0 && goneAfterKill > 0)
    return { ...summary, ackReplicas, goneAfterKill, failed }
  })
}

/** Runs the same rounds against a stock set-up, for comparison. */
export function runRivalCampaign(rival: Rival, options: CampaignOptions): Promise<RivalSummary> {
  return runRounds(rival, options, summariseRival)
}

/** Runs rounds on one system; stops early only where a round cannot begin. */
async function runRounds<Result>(
  contender: Contender,
  options: CampaignOptions,
  conclude: (seed: number, system: System, results: readonly RoundResult[]) => Result,
): Promise<Result> {
  const { seed, rounds, lengthMs, kinds, say } = options
  const scope = createScope()
  const results: RoundResult[] = []
  try {
    const { topology = 'standalone', ackReplicas = 0 } = options
    const env = { ROOM_ACK_REPLICAS: String(ackReplicas) }
    const system = await startSystem(scope, { contender, instances: INSTANCES, topology, env })
    const reading = setInterval(() => {
      for (const { name, port } of system.instances) void system.tally.read(name, port)
    }, 1000)
    scope.defer(() => clearInterval(reading))
    for (const plan of planRounds({ seed, rounds, lengthMs, instances: INSTANCES, kinds })) {
      const result = await runRound(system, plan, options)
      const log = system.newLines()
      say(roundLine(result))
      for (const line of result.late) say(`  ${line}`)
      const { report, drops } = result
      const violations = [...(report?.violations ?? []), ...(report?.notices ?? []), ...drops]
      const odd = violations.length > 0 || result.late.length > 0 || result.failure !== undefined
      if (options.keep || odd) {
        const folder = await keepRound(`seed-${seed}-round-${plan.round}`, result, log)
        say(`the history and the logs are in ${folder}`)
      }
      for (const violation of violations.slice(0, SHOWN)) say(showWindow(result.events, violation))
      if (violations.length > SHOWN) say(`… and ${violations.length - SHOWN} more of these`)
      // Histories are large: only the verdicts stay.
      results.push({ ...result, events: [] })
      if (result.tookMs === 0) break
      if (results.length % SWEEP_EVERY === 0) await sweep(system)
    }
    return conclude(seed, system, results)
  } finally {
    await scope.close().catch((error: unknown) => say(`while ending: ${error}`))
  }
}

/** Writes what a round left behind; returns the folder. */
async function keepRound(name: string, result: RoundResult, log: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'roomwire-chaos-'))
  await writeFile(join(folder, `${name}.jsonl`), toJsonLines(result.events))
  await writeFile(join(folder, `${name}.log`), log.join('\n'))
  return folder
}

/** Forgets all rooms and shortens the append-only file. Nobody is in a room between rounds. */
async function sweep({ store }: System): Promise<void> {
  for (const { cli } of await store.primaries()) {
    await cli('FLUSHALL')
    await cli('BGREWRITEAOF')
  }
}
