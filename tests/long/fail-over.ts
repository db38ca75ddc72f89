import { setTimeout as sleep } from 'node:timers/promises'
import { roomKeys } from '../../server/broker/redis/keys.ts'
import { until } from '../chaos/round.ts'
import { type Client, connectClient } from '../support/client.ts'
import type { Scope } from '../support/scope.ts'
import { sendStored } from '../support/send-stored.ts'
import { faultsOf, startRecording } from './recording.ts'
import { startReplicated } from './replication.ts'
import { largest } from './settings.ts'
import { startSteadyCrowd } from './steady-crowd.ts'

export interface FailOverOptions {
  /** `ROOM_ACK_REPLICAS` */
  ackReplicas: 0 | 1
  /** Load before and after, each. */
  seconds: number
  clients: number
  rooms: number
  /** Messages per second. */
  rate: number
  /** How long a message takes to the replica, at least, ms. */
  lineMs: number
}

const PATIENCE_MS = 30_000

/** D1 D6: the primary dies under load, its replica takes over. */
export async function runFailOver(scope: Scope, options: FailOverOptions) {
  const { ackReplicas, seconds, clients, rate } = options
  const { system, line, failOver } = await startReplicated(scope, {
    ROOM_ACK_REPLICAS: String(ackReplicas),
  })
  const rooms = Array.from({ length: options.rooms }, (_, index) => `fail-over-${index}`)
  const recording = startRecording()
  const { record, events, tails } = recording
  const crowd = await startSteadyCrowd({
    ...{ url: system.url, tag: 'fail-over', clients, rooms, roomsEach: 3, record },
  })
  scope.defer(crowd.close)
  line.slow({ ms: options.lineMs })
  crowd.load(rate)
  await sleep(seconds * 1000)
  const killedAt = Date.now()
  const store = await failOver()
  const promotedMs = Date.now() - killedAt
  await sleep(seconds * 1000)
  crowd.quieten()
  await until(() => crowd.pending === 0 && crowd.whole(tails), PATIENCE_MS)
  const report = await recording.verdict({ store, rooms, clients: crowd.clients }, true)
  const next = events.find(({ type, t }) => type === 'acked' && t > killedAt + promotedMs)
  const errors = events.filter(({ type }) => type === 'failed' || type === 'refused')
  return {
    ackReplicas,
    sent: report.sent,
    acked: report.acked,
    ackedBeforeTheEnd: events.filter(({ type, t }) => type === 'acked' && t < killedAt).length,
    delivered: report.delivered,
    unknownOutcomes: report.unknownOutcomes,
    /** Acknowledged, and not in the log of the promoted replica. */
    ackedLost: report.rolledBack,
    resetsAnnounced: report.resetsAnnounced,
    promotedMs,
    storesAgainMs: (next?.t ?? 0) - killedAt,
    lastErrorMs: largest(errors.map(({ t }) => t - killedAt)),
    clientDrops: events.filter(({ type }) => type === 'disconnected').length,
    processDeaths: system.deaths,
    problems: system.problems,
    ...faultsOf(report),
  }
}

/** D1 D7: what must be confirmed by a replica, and nobody confirms it. */
export async function runUnconfirmed(scope: Scope, who: 'replica' | 'primary', sends: number) {
  const { system, replica } = await startReplicated(scope, { ROOM_ACK_REPLICAS: '1' })
  const silent = who === 'replica' ? replica : system.redis
  const room = `unconfirmed by ${who}`
  const client = await connectClient(scope, system.url, { session: 'unconfirmed' })
  await sendStored(client, { room, id: 'first', body: 0 })
  // Under way when it falls silent: some wait for their turn behind others.
  const sending = (from: number) =>
    Array.from({ length: sends }, async (_, index) => {
      await sleep(index * 20)
      return ask(client, room, `${from + index}`)
    })
  const before = sending(0)
  await sleep(sends * 10)
  silent.pause()
  const silentAt = Date.now()
  const answers = (await Promise.all([...before, ...sending(sends)])).filter(
    ({ at }) => at >= silentAt,
  )
  silent.resume()
  const again = await Promise.all(
    answers.map(({ id }) => sendStored(client, { room, id, body: id })),
  )
  const log = await system.redis.cli('XRANGE', roomKeys(system.prefix, room).log, '-', '+')
  const stored = (id: string) => log.split(`{"id":"${id}",`).length - 1
  const codes: Record<string, number> = {}
  for (const { code } of answers) codes[code] = (codes[code] ?? 0) + 1
  return {
    silent: who,
    answers: answers.length,
    codes,
    notRetryable: answers.filter(({ retryable }) => !retryable).length,
    slowestAnswerMs: largest(answers.map(({ at, sentAt }) => at - Math.max(sentAt, silentAt))),
    storedByFirstTry: again.filter(({ duplicate }) => duplicate).length,
    notStoredOnce: answers.filter(({ id }) => stored(id) !== 1).length,
  }
}

async function ask(client: Client, room: string, id: string) {
  const sentAt = Date.now()
  const reply = await client.request('room:send', { room, id, body: id }, 30_000)
  const { code, retryable } = reply.ok ? { code: 'ok', retryable: true } : reply.error
  return { id, sentAt, at: Date.now(), code, retryable }
}
