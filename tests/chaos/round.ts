import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Position } from '../../server/protocol.ts'
import { checkHistory, type Report } from './checker.ts'
import { type Crowd, createCrowd } from './crowd.ts'
import { unexplainedDrops } from './drops.ts'
import { runFault, type Stage } from './faults.ts'
import { readFinals, type Store } from './final-read.ts'
import { createHistory, type Fact, type History, type HistoryEvent } from './history.ts'
import { createRandom } from './random.ts'
import { checkRival, type RivalReport } from './rival-checker.ts'
import { type FaultKind, isLossy, type PlannedFault, type RoundPlan, targetOf } from './schedule.ts'
import type { System } from './system.ts'
import type { Violation } from './view.ts'

/** After all faults have healed, everything has to be whole again within this time. */
const QUIET_MS = 30_000
/** D4 and D7: all is whole within 2 s of Redis being back. */
const LATE_MS = 2000
/** Of the gateway's defaults. Of its 1,000 messages a resume may have fewer: bursts are of 4 kB. */
const LIMITS = { dedupWindowMs: 600_000, resumable: 250 }

export interface RoundOptions {
  clients: number
  rooms: number
  rate: number
  lengthMs: number
}

export interface RoundResult {
  plan: RoundPlan
  events: readonly HistoryEvent[]
  /** For Roomwire; the other one for stock set-ups. */
  report: Report | undefined
  rival: RivalReport | undefined
  /** Why the round could not be judged: it ends a run like a violation does. */
  failure: string | undefined
  /** From the end of a fault to every client whole, where no other fault came between, in ms. */
  recoveries: { after: FaultKind; ms: number }[]
  /** What was missing `LATE_MS` after a fault had healed. */
  late: string[]
  /** Faults that really happened, by kind. */
  faults: Map<string, number>
  /** Connections that no fault ended. */
  drops: Violation[]
  /** Length of the load, in ms. */
  tookMs: number
  /** The longest that this process itself was late, in ms: times below it say nothing of the gateway. */
  lagMs: number
}

/** Those whose views are judged. */
type Witnesses = Pick<Crowd, 'clients' | 'finish'>

/** Runs one round on a system that is whole: load, faults, a quiet end, the final reads, the verdict. */
export async function runRound(
  system: System,
  plan: RoundPlan,
  options: RoundOptions,
): Promise<RoundResult> {
  const { seed, round } = plan
  const random = createRandom(seed).fork(round + 1)
  const tag = `${seed.toString(36)}-${round}`
  const rooms = Array.from({ length: options.rooms }, (_, index) => `${tag}-r${index}`)
  const history = createHistory()
  const tails = new Map<string, Position>()
  const record = (fact: Fact): void => {
    history.record(fact)
    if (fact.type !== 'acked') return
    const known = tails.get(fact.room)
    const newer = known?.epoch !== fact.position.epoch || known.offset < fact.position.offset
    if (newer) tails.set(fact.room, fact.position)
  }
  const dialect = system.contender === 'roomwire' ? 'roomwire' : 'stock'
  const { clients, rate } = options
  const url = system.url
  const crowd = createCrowd({ url, tag, clients, rooms, rate, random, dialect, record })
  const mayLose = plan.faults.some(({ kind }) => isLossy(kind))
  const stage: Stage = { system, crowd, rooms, record }
  const result: RoundResult = {
    plan,
    events: history.events,
    report: undefined,
    rival: undefined,
    failure: undefined,
    recoveries: [],
    late: [],
    faults: new Map(),
    drops: [],
    tookMs: 0,
    lagMs: 0,
  }
  const lag = monitorEventLoopDelay({ resolution: 10 })
  lag.enable()
  try {
    if (!(await until(() => crowd.whole(tails), QUIET_MS))) throw new Error('could not begin whole')
    crowd.start()
    lag.reset()
    await runPlan(stage, plan, options.lengthMs, result, tails, history)
    const whole = await until(() => crowd.calm && crowd.whole(tails), QUIET_MS)
    // What a rollback took is nothing to wait for; the end of the final log is.
    if (!whole && !mayLose) result.failure = `not whole ${QUIET_MS / 1000} s after the last fault`
    result.lagMs = Math.round(lag.max / 1e6)
    if (history.full) throw new Error('more events than a history holds: lower the rate')
    if (dialect === 'stock') {
      // What is still on its way may arrive.
      await sleep(2000)
      crowd.finish()
      result.rival = checkRival(history.events)
    } else await judge(stage, mayLose, result, history)
  } catch (error) {
    result.failure ??= error instanceof Error ? error.message : String(error)
  } finally {
    lag.disable()
    crowd.close()
  }
  result.drops = unexplainedDrops(history.events)
  return result
}

/** Runs the plan's faults at their times, ends the load at its, and measures every recovery. */
async function runPlan(
  stage: Stage,
  plan: RoundPlan,
  lengthMs: number,
  result: RoundResult,
  tails: ReadonlyMap<string, Position>,
  history: History,
): Promise<void> {
  const begin = Date.now()
  const recoveries: Promise<void>[] = []
  const busy = new Map<string, Promise<unknown>>()
  let under = 0
  let begun = 0

  async function measure(after: FaultKind): Promise<void> {
    const healed = performance.now()
    const goal = new Map(tails)
    const mine = begun
    const over = (): boolean => begun !== mine || stage.crowd.whole(goal)
    if (!(await until(over, LATE_MS))) {
      result.late.push(`${LATE_MS} ms after ${after}: ${stage.crowd.lacks(goal)}`)
      await until(over, QUIET_MS)
    }
    if (begun === mine) result.recoveries.push({ after, ms: performance.now() - healed })
  }

  async function trouble(planned: PlannedFault): Promise<void> {
    begun += 1
    under += 1
    stage.crowd.whisper(planned.lastsMs + 100)
    let happened = false
    try {
      happened = await runFault(stage, planned)
    } finally {
      under -= 1
    }
    const { kind } = planned
    if (happened) result.faults.set(kind, (result.faults.get(kind) ?? 0) + 1)
    if (under === 0) recoveries.push(measure(kind))
  }

  async function inTurn(planned: PlannedFault): Promise<void> {
    await sleep(Math.max(0, begin + planned.at - Date.now()))
    // One that takes longer than planned, such as a drain, holds up the next on the same target.
    const target = targetOf(planned)
    const done = (busy.get(target) ?? Promise.resolve()).then(() => trouble(planned))
    busy.set(target, done)
    await done
  }

  async function endLoad(): Promise<void> {
    await until(() => history.full, lengthMs)
    result.tookMs = Date.now() - begin
    stage.crowd.quieten()
  }

  // Faults that take longer than planned, as on a busy machine, do not prolong the load.
  await Promise.all([endLoad(), ...plan.faults.map(inTurn)])
  await Promise.all(recoveries)
}

/** Reads the logs after the quiet end, waits until every member is at their ends, and decides. */
export async function judge(
  stage: Pick<Stage, 'rooms' | 'record'> & { system: Store; crowd: Witnesses },
  mayLose: boolean,
  result: Pick<RoundResult, 'report'>,
  history: History,
): Promise<void> {
  const { system, crowd, rooms, record } = stage
  const finals = await readFinals(system, rooms)
  const ends = new Map<string, Position>()
  for (const fact of finals) {
    if (fact.type !== 'final' || fact.source !== 'client') continue
    ends.set(fact.room, { epoch: fact.epoch, offset: fact.entries.at(-1)?.offset ?? 0 })
  }
  await until(() => reached(crowd, ends), QUIET_MS)
  for (const fact of finals) record(fact)
  crowd.finish()
  result.report = checkHistory(history.events, { mayLose, ...LIMITS })
}

/** Every member stands at the end of the final log, in its epoch. */
function reached(crowd: Witnesses, ends: ReadonlyMap<string, Position>): boolean {
  return crowd.clients.every((client) =>
    client.rooms.every((room) => {
      const [here, end] = [client.position(room), ends.get(room)]
      return here?.epoch === end?.epoch && (here?.offset ?? 0) >= (end?.offset ?? 0)
    }),
  )
}

/** Waits for a condition; false where it did not come about in time. */
export async function until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  for (const deadline = Date.now() + timeoutMs; ; await sleep(20)) {
    if (condition()) return true
    if (Date.now() >= deadline) return false
  }
}
