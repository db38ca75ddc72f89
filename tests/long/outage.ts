import { setTimeout as sleep } from 'node:timers/promises'
import { NO_FAULTS } from '../chaos/checker.ts'
import type { HistoryEvent } from '../chaos/history.ts'
import { createRandom } from '../chaos/random.ts'
import { createRecordingClient } from '../chaos/recording-client.ts'
import { until } from '../chaos/round.ts'
import { type System, startSystem } from '../chaos/system.ts'
import { startInProcess } from '../support/in-process.ts'
import type { Scope } from '../support/scope.ts'
import { faultsOf, type Recording, startRecording } from './recording.ts'
import { largest } from './settings.ts'
import { startSteadyCrowd } from './steady-crowd.ts'

export interface OutageOptions {
  /** `closed`: Redis has ended. `frozen`: it keeps its connections and answers nothing. */
  how: 'closed' | 'frozen'
  seconds: number
  clients: number
  rooms: number
  /** Messages per second. */
  rate: number
  env?: Record<string, string>
}

/** Of the figures: nobody is dropped and nothing is lost; all are told of it and of its end. */
export const noHarm = (clients: number) => ({
  ...NO_FAULTS,
  whole: true,
  notRetryable: 0,
  toldDegraded: clients,
  toldOk: clients,
  clientDrops: 0,
  processDeaths: 0,
  problems: [],
})

const ROOMS_EACH = 4
/** After the return, before the figures count as missing. */
const PATIENCE_MS = 30_000

/**
 * D7: Redis goes away under load and comes back. The moment it is back, an instance that has nobody in
 * any room appends once to each: also to rooms in which nothing follows, and before others may be there
 * to hear it.
 */
export async function runOutage(scope: Scope, options: OutageOptions) {
  const { how, seconds, clients } = options
  const env = { WEBSOCKET_SERVER_PING_INTERVAL: '25', WEBSOCKET_SERVER_PING_TIMEOUT: '20' }
  const system = await startSystem(scope, {
    contender: 'roomwire',
    instances: 3,
    direct: true,
    env: { ...env, ...options.env },
  })
  const { redis } = system
  const rooms = Array.from({ length: options.rooms }, (_, index) => `outage-${how}-${index}`)
  const recording = startRecording()
  const { record, events, tails } = recording
  const crowd = await startSteadyCrowd({
    ...{ url: system.url, tag: `outage-${how}`, clients, rooms, roomsEach: ROOMS_EACH, record },
  })
  scope.defer(crowd.close)
  for (const client of crowd.clients) for (const room of client.rooms) client.send(room)
  await until(() => crowd.pending === 0 && crowd.whole(tails), PATIENCE_MS)
  // The others are quiet: whoever misses a message there hears of it by nothing that follows.
  const busy = rooms.slice(0, Math.ceil(rooms.length / 2))
  crowd.load(options.rate, busy)
  await sleep(1000)

  const began = Date.now()
  if (how === 'closed') await redis.stop()
  else redis.pause()
  await sleep(seconds * 1000)
  if (how === 'closed') await redis.start()
  else redis.resume()
  const back = Date.now()

  await appendEverywhere(scope, system, rooms, recording)
  const appendedMs = Date.now() - back
  const goal = new Map(tails)
  const whole = await until(() => crowd.whole(goal), PATIENCE_MS)
  const wholeMs = Date.now() - back
  await until(() => statusOf(events, 'ok', back).size === clients, PATIENCE_MS)
  await sleep(1000)
  crowd.quieten()
  const ended = Date.now()
  const report = await recording.verdict({ store: system, rooms, clients: crowd.clients }, false)

  const degraded = statusOf(events, 'degraded', began)
  const ok = statusOf(events, 'ok', back)
  const { answers, notRetryable } = readAnswers(events, began, back)
  return {
    how,
    seconds,
    clients,
    rooms: rooms.length,
    sent: report.sent,
    acked: report.acked,
    delivered: report.delivered,
    failedSends: answers.length,
    unknownOutcomes: report.unknownOutcomes,
    notRetryable,
    slowestAnswerMs: largest(answers),
    toldDegraded: degraded.size,
    degradedMs: largest([...degraded.values()].map((t) => t - began)),
    toldOk: ok.size,
    okMs: largest([...ok.values()].map((t) => t - back)),
    whole,
    appendedMs,
    wholeMs,
    clientDrops: events.filter(({ type, t }) => type === 'disconnected' && t < ended).length,
    processDeaths: system.deaths,
    problems: system.problems,
    ...faultsOf(report),
  }
}

export type OutageFigures = Awaited<ReturnType<typeof runOutage>>

/** One message to each room, through an instance that is started now. */
async function appendEverywhere(
  scope: Scope,
  { redis, prefix }: System,
  rooms: readonly string[],
  { record }: Recording,
): Promise<void> {
  const gateway = await startInProcess(scope, {
    WEBSOCKET_REDIS_URL: `redis://127.0.0.1:${redis.port}`,
    WEBSOCKET_REDIS_PASSWORD: redis.password ?? '',
    REDIS_KEY_PREFIX: prefix,
    INSTANCE_ID: 'late',
  })
  const sender = createRecordingClient({
    id: `late-${prefix}-${gateway.url}`,
    url: gateway.url,
    rooms: [],
    transports: ['websocket'],
    random: createRandom(2),
    record,
    dialect: 'roomwire',
    twice: 0,
  })
  scope.defer(() => sender.close())
  for (const room of rooms) sender.send(room)
  if (await until(() => sender.pending === 0, PATIENCE_MS)) return
  throw new Error('an instance on a Redis that is back could not append')
}

/** When each client first heard of this state from `since` on. */
function statusOf(events: readonly HistoryEvent[], state: string, since: number) {
  const told = new Map<string, number>()
  for (const fact of events) {
    if (fact.type !== 'status' || fact.state !== state || fact.t < since) continue
    if (!told.has(fact.client)) told.set(fact.client, fact.t)
  }
  return told
}

/** How long every send that failed in the outage took to be answered, from its beginning at the earliest. */
function readAnswers(events: readonly HistoryEvent[], began: number, back: number) {
  const sentAt = new Map<string, number>()
  const answers: number[] = []
  let notRetryable = 0
  for (const fact of events) {
    if (fact.type === 'send') sentAt.set(`${fact.client} ${fact.id}`, fact.t)
    else if (fact.type === 'failed' || fact.type === 'acked') {
      const at = sentAt.get(`${fact.client} ${fact.id}`) ?? 0
      if (at >= back || fact.t < began) continue
      if (fact.type === 'failed' || fact.t > began + 100) {
        answers.push(fact.t - Math.max(at, began))
      }
      if (fact.type === 'failed' && !fact.retryable) notRetryable += 1
    }
  }
  return { answers, notRetryable }
}
