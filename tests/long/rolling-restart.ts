import { setTimeout as sleep } from 'node:timers/promises'
import type { HistoryEvent } from '../chaos/history.ts'
import { until } from '../chaos/round.ts'
import { startSystem } from '../chaos/system.ts'
import type { Scope } from '../support/scope.ts'
import { faultsOf, startRecording } from './recording.ts'
import { largest } from './settings.ts'
import { startSteadyCrowd } from './steady-crowd.ts'

export interface RollingRestartOptions {
  instances: number
  clients: number
  /** Members of each room, about. */
  roomSize: number
  /** Messages per second. */
  rate: number
  /** `DRAIN_PERIOD`, s */
  periodSeconds: number
}

const PATIENCE_MS = 60_000
/** The notice, the period, the last requests, and some. */
const GRACE_MS = 20_000
/** Pace of a hand-over that needs less than its period (server/edge/drain.ts). */
const FEW_PER_SECOND = 50

/** What a client may hear, beside the end of its connection with a send under way. */
export const RETRYABLE = [
  'DRAINING',
  'UNAVAILABLE',
  'OUTCOME_UNKNOWN',
  'OVERLOADED',
  'DISCONNECTED',
]

/** D10: every instance is told to stop and started again, one after the other, under load. */
export async function runRollingRestart(scope: Scope, options: RollingRestartOptions) {
  const { instances, clients, rate, periodSeconds } = options
  const system = await startSystem(scope, {
    contender: 'roomwire',
    instances,
    direct: true,
    env: {
      DRAIN_PERIOD: `${periodSeconds}s`,
      SHUTDOWN_TIMEOUT: `${periodSeconds + 20}s`,
      WEBSOCKET_SERVER_PING_INTERVAL: '25',
      WEBSOCKET_SERVER_PING_TIMEOUT: '20',
    },
  })
  const count = Math.ceil(clients / options.roomSize)
  const rooms = Array.from({ length: count }, (_, index) => `rolling-${index}`)
  const recording = startRecording()
  const { record, events, tails } = recording
  const crowd = await startSteadyCrowd({
    ...{ url: system.url, tag: 'rolling', clients, rooms, roomsEach: 1, record },
  })
  scope.defer(crowd.close)
  crowd.load(rate)
  await sleep(1000)

  const restarts: ReturnType<typeof readRestart>[] = []
  for (const [index, instance] of system.instances.entries()) {
    const begin = events.length
    const served = [...crowd.clients].filter((client) => client.instance === instance.name).length
    const told = Date.now()
    await instance.stop(periodSeconds * 1000 + GRACE_MS)
    const tookMs = Date.now() - told
    await instance.start()
    await system.balancer.waitForState(index + 1, 'UP')
    await until(() => crowd.whole(new Map()), PATIENCE_MS)
    restarts.push(readRestart(events.slice(begin), { served, tookMs, told, periodSeconds }))
  }
  await sleep(1000)
  crowd.quieten()
  await until(() => crowd.pending === 0 && crowd.whole(tails), PATIENCE_MS)
  const report = await recording.verdict({ store: system, rooms, clients: crowd.clients }, false)
  return {
    clients,
    rooms: rooms.length,
    sent: report.sent,
    acked: report.acked,
    delivered: report.delivered,
    resumes: report.resumed,
    startedOver: report.resetsAnnounced,
    unknownOutcomes: report.unknownOutcomes,
    restarts,
    /** Where above 2, reconnects came faster than twice the even spread. */
    worstPeak: largest(restarts.map(({ peakToEven }) => peakToEven)),
    refusals: countBy(events, (fact) => (fact.type === 'refused' ? fact.code : undefined)),
    failures: countBy(events, (fact) => (fact.type === 'failed' ? fact.code : undefined)),
    farewells: countBy(events, (fact) => (fact.type === 'bye' ? fact.code : undefined)),
    endings: countBy(events, (fact) => (fact.type === 'disconnected' ? fact.reason : undefined)),
    processDeaths: system.deaths,
    problems: system.problems,
    ...faultsOf(report),
  }
}

/** One instance's hand-over, from what its clients saw. */
function readRestart(
  events: readonly HistoryEvent[],
  about: { served: number; tookMs: number; told: number; periodSeconds: number },
) {
  const { served, tookMs, told, periodSeconds } = about
  const closed: number[] = []
  const back: number[] = []
  const away = new Map<string, number>()
  const gaps: number[] = []
  for (const fact of events) {
    if (fact.type === 'disconnected') {
      closed.push(fact.t - told)
      away.set(fact.client, fact.t)
    } else if (fact.type === 'connected') {
      back.push(fact.t - told)
      gaps.push(fact.t - (away.get(fact.client) ?? fact.t))
    }
  }
  // As many as it had, evenly over the period; few are handed over at the pace of few.
  const even = Math.max(FEW_PER_SECOND, served / periodSeconds)
  const peak = mostWithin(1000, back)
  return {
    served,
    closed: closed.length,
    reconnects: back.length,
    firstClosedMs: closed[0] ?? 0,
    lastClosedMs: closed.at(-1) ?? 0,
    evenPerSecond: Math.round(even),
    mostClosedPerSecond: mostWithin(1000, closed),
    mostReconnectsPerSecond: peak,
    peakToEven: Number((peak / even).toFixed(2)),
    longestAwayMs: largest(gaps),
    tookMs,
  }
}

/** The most of these ascending times that lie in any stretch of this length. */
function mostWithin(lengthMs: number, times: readonly number[]): number {
  let most = 0
  let first = 0
  for (const [index, time] of times.entries()) {
    while (time - (times[first] ?? time) >= lengthMs) first += 1
    most = Math.max(most, index - first + 1)
  }
  return most
}

function countBy(
  events: readonly HistoryEvent[],
  key: (fact: HistoryEvent) => string | undefined,
): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const fact of events) {
    const name = key(fact)
    if (name !== undefined) counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}
