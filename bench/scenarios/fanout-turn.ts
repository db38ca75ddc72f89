import { setTimeout as sleep } from 'node:timers/promises'
import type { Contender } from '../contenders/contender.ts'
import { quantileMs } from '../histogram.ts'
import type { Audit } from '../load/api.ts'
import { type Tally, totalOf } from '../load/tally.ts'
import type { Sample } from '../scenario.ts'
import { type Stage, usedBetween } from '../stage.ts'

export interface Fanout {
  subscribers: number
  /** Deliveries per second to all of them together. */
  demand: number
  /** Sends of so many ms leave at once; 0 spaces them evenly. */
  burstMs: number
  bodyBytes: number
  /** Those who only count read once in so many ms. */
  readEveryMs: number
  senders: number
  warmSeconds: number
  seconds: number
  /** How long stragglers are waited for afterwards. */
  drainSeconds: number
}

const ROOM = 'fan-out'
/** One in so many subscribers reads what it gets, at once: it is woken, on the server's account. */
const SAMPLE_EVERY = 50
const CONCURRENCY = 50

/** One room, everybody in it, and a demand that does not wait for anybody. */
export async function conductFanout(
  stage: Stage,
  contender: Contender,
  fanout: Fanout,
): Promise<Sample> {
  const { members, senders, instances } = stage
  const { wire } = contender
  const { subscribers, warmSeconds, seconds } = fanout
  // JSON adds its quotes.
  const bodyChars = wire === 'nchan' ? fanout.bodyBytes : fanout.bodyBytes - 2
  const opened = await members.openMembers({
    ...{ wire, targets: stage.targets, rooms: [ROOM], count: subscribers, roomsEach: 1 },
    ...{
      concurrency: CONCURRENCY,
      sampleEvery: SAMPLE_EVERY,
      bodyChars,
      readEveryMs: fanout.readEveryMs,
    },
  })
  if (opened.opened < subscribers) throw new Error(`not joined: ${JSON.stringify(opened.failed)}`)
  await senders.openSenders({
    wire,
    bodyChars,
    groups: stage.targets.map((target) => ({
      ...{ target, rooms: [ROOM], count: Math.ceil(fanout.senders / instances.length) },
    })),
  })

  const pace = {
    rate: fanout.demand / subscribers / instances.length,
    burstMs: fanout.burstMs,
  }
  const sending = senders.sendPaced(
    instances.map(() => pace),
    (warmSeconds + seconds) * 1000,
  )
  await sleep(warmSeconds * 1000)
  await Promise.all([members.received(), senders.sendWindow()])
  const before = stage.usage()
  await sleep(seconds * 1000)
  const used = usedBetween(before, stage.usage())
  const [reception, window] = await Promise.all([members.received(), senders.sendWindow()])

  const sent = await sending
  const accepted = sent.accepted[ROOM] ?? 0
  await members.reached(accepted * subscribers, fanout.drainSeconds * 1000)
  const audit = await members.audit(sent.accepted, sent.uncertain)
  const deaths = stage.deaths()
  return {
    figures: {
      // What a dying process did before its end is no measure of anything.
      ...(deaths.length === 0 && {
        cpuPerDelivery: used.gatewayMicros / reception.deliveries,
        p50: quantileMs(reception.latency, 0.5),
        p99: quantileMs(reception.latency, 0.99),
        ackP50: quantileMs(window.ack, 0.5),
        ackP99: quantileMs(window.ack, 0.99),
        rate: reception.deliveries / used.seconds,
        redisPerDelivery: used.redisMicros / reception.deliveries,
        gatewayCores: used.gatewayMicros / used.seconds / 1e6,
      }),
      deliveredShare: audit.deliveries / (sent.sent * subscribers),
      lost: audit.lost,
      wrong: audit.repeated + audit.disordered + audit.offsetBreaks,
      errors: totalOf(window.refused),
      died: deaths.length,
      sendLag: quantileMs(window.lag, 0.99),
      loadCores: used.loadCores,
      otherCores: used.otherCores,
    },
    notes: [...stage.notes, ...notesOf(deaths, audit, window.refused)],
    detail: { sent: sent.sent, accepted, uncertain: totalOf(sent.uncertain), audit },
  }
}

function notesOf(deaths: readonly string[], audit: Audit, refused: Tally): string[] {
  const notes = deaths.map(
    (words) => `a process died: ${words.replaceAll('\n', ' ').slice(0, 300)}`,
  )
  if (audit.repeated > 0) notes.push(`repeated ${audit.repeated}`)
  if (audit.disordered > 0) notes.push(`out of order ${audit.disordered}`)
  if (audit.offsetBreaks > 0) notes.push(`offsets with holes ${audit.offsetBreaks}`)
  for (const [reason, count] of Object.entries(audit.closed)) {
    if (deaths.length === 0) notes.push(`connections lost: ${reason} ${count}`)
  }
  for (const [code, count] of Object.entries(refused)) notes.push(`refused: ${code} ${count}`)
  return notes
}
