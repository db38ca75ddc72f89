import { setTimeout as sleep } from 'node:timers/promises'
import type { Scope } from '../../tests/support/scope.ts'
import type { Contender } from '../contenders/contender.ts'
import { roomwire } from '../contenders/roomwire.ts'
import { bareWs, stock, stockCaught, streams } from '../contenders/socket-io.ts'
import { quantileMs } from '../histogram.ts'
import { added, totalOf } from '../load/tally.ts'
import type { Claim, Results, Sample, Scenario, Settings } from '../scenario.ts'
import { settledAudit } from '../settled-audit.ts'
import { openStage, usedBetween } from '../stage.ts'

/** Each sender has a room of its own with one member, so that every send is delivered, too. */
const BODY_BYTES = 100
const CEILING_MS = 3000

export const publish: Scenario = {
  name: 'publish',
  summary: 'acknowledged sends per second, and how long an acknowledgement takes at half of that',
  options: {
    // The first are backends that publish for many, the second people, some of whom do not wait.
    senders: { default: '50,500', description: 'connections that send, each to its room of one' },
    inflight: {
      default: '20,2',
      description: 'sends that each keeps unanswered under full load, for each number of senders',
    },
    warm: { default: '3', description: 'seconds before each measured window' },
    rate: { default: '0', description: 'sends per second after that; 0: half of what it brought' },
  },
  rivals: [stock, stockCaught, streams, bareWs],
  metrics: [
    { name: 'rate', title: 'acknowledged', unit: '/s', better: 'higher', digits: 0 },
    { name: 'cpuPerSend', title: 'CPU per send', unit: 'µs', better: 'lower' },
    { name: 'redisPerSend', title: 'Redis per send', unit: 'µs' },
    { name: 'redisCeiling', title: 'Redis alone, appends', unit: '/s', digits: 0 },
    { name: 'fullP50', title: 'ack p50 at full load', unit: 'ms', digits: 2 },
    { name: 'halfRate', title: 'half of that, or as asked', unit: '/s', digits: 0 },
    { name: 'halfCpuPerSend', title: 'CPU per send at half', unit: 'µs', better: 'lower' },
    { name: 'halfP50', title: 'ack p50 at half', unit: 'ms', better: 'lower', digits: 2 },
    { name: 'halfP99', title: 'ack p99 at half', unit: 'ms', better: 'lower', digits: 2 },
    { name: 'pingP50', title: 'Redis round trip p50', unit: 'ms', digits: 2 },
    { name: 'aboveRedis', title: 'ack p50 above it', unit: 'ms', digits: 2 },
    { name: 'lost', title: 'lost', unit: '', digits: 0 },
    { name: 'errors', title: 'errors', unit: '', digits: 0 },
    { name: 'died', title: 'died', unit: '', digits: 0 },
    { name: 'loadCores', title: 'load', unit: 'cores', digits: 2 },
    { name: 'otherCores', title: 'others', unit: 'cores', digits: 2 },
  ],
  variants: (settings) =>
    crowds(settings).map((crowd) => ({
      name: nameOf(crowd),
      turn: (scope, contender) => turn(scope, contender, settings, crowd),
    })),
  claims: (results, settings) =>
    crowds(settings).flatMap((crowd) => claimsFor(results, settings, nameOf(crowd))),
}

function claimsFor(results: Results, settings: Settings, variant: string): Claim[] {
  const sent: Claim = {
    // Stock as it is rarely lives to the end of this.
    text: `${variant}: acknowledged durable sends per second, Roomwire ÷ stock that survives`,
    measured: results.ratio(variant, 'stock-caught', 'rate')?.ratio,
    atLeast: 0.6,
  }
  const late: Claim = {
    text: `${variant}: ack p50 at half load above a bare Redis round trip, ms`,
    measured: results.summary(variant, 'roomwire', 'aboveRedis')?.median,
    atMost: 2,
  }
  const whole: Claim = {
    text: `${variant}: acknowledged and lost, in any turn`,
    measured: results.summary(variant, 'roomwire', 'lost')?.max,
    atMost: 0,
  }
  // Promised of half of what it brings, not of another rate.
  return settings.number('rate') === 0 ? [sent, late, whole] : [sent, whole]
}

/** Those who send at the same time. */
interface Crowd {
  senders: number
  /** Sends that each keeps unanswered. */
  inFlight: number
}

function crowds(settings: Settings): Crowd[] {
  const [senders, inFlight] = [settings.numbers('senders'), settings.numbers('inflight')]
  if (senders.length !== inFlight.length) {
    throw new Error('--senders and --inflight: as many numbers each')
  }
  return senders.map((count, index) => ({ senders: count, inFlight: inFlight[index] ?? 1 }))
}

const nameOf = ({ senders, inFlight }: Crowd) => `${senders} senders, ${inFlight} unanswered each`

async function turn(
  scope: Scope,
  contender: Contender,
  settings: Settings,
  { senders: count, inFlight }: Crowd,
): Promise<Sample> {
  const stage = await openStage(scope, contender, { instances: 1, aof: settings.aof })
  const { members, senders, redis } = stage
  const { wire } = contender
  const rooms = Array.from({ length: count }, (_, index) => `room-${index}`)
  const targets = stage.targets
  const bodyChars = BODY_BYTES - 2
  const opened = await members.openMembers({
    ...{
      wire,
      targets,
      rooms,
      count,
      roomsEach: 1,
      concurrency: 20,
      sampleEvery: 1,
      bodyChars,
    },
  })
  if (opened.opened < count) throw new Error(`not joined: ${JSON.stringify(opened.failed)}`)
  await senders.openSenders({
    ...{ wire, bodyChars },
    groups: rooms.flatMap((room) => targets.map((target) => ({ target, rooms: [room], count: 1 }))),
  })

  const warmMs = settings.number('warm') * 1000
  const windowMs = settings.seconds * 1000
  async function window<T>(running: Promise<T>) {
    await sleep(warmMs)
    await senders.sendWindow()
    const before = stage.usage()
    await sleep(windowMs)
    const used = usedBetween(before, stage.usage())
    return { used, sent: await senders.sendWindow(), done: await running }
  }

  const full = await window(senders.sendPressed(inFlight, warmMs + windowMs))
  const rate = full.sent.accepted / full.used.seconds
  const halfRate = settings.number('rate') || rate / 2
  // The ping comes from the process that is less busy.
  const pings = members.pingRedis({ host: redis.host, port: redis.port }, warmMs + windowMs)
  const pace = { rate: halfRate / count, burstMs: 0 }
  const half = await window(
    senders.sendPaced(
      rooms.map(() => pace),
      warmMs + windowMs,
    ),
  )
  const audit = await settledAudit(members, full.done, half.done)
  const deaths = stage.deaths()
  const redisCeiling =
    contender === roomwire
      ? await senders.appendCeiling({ host: redis.host, port: redis.port }, BODY_BYTES, CEILING_MS)
      : undefined

  const halfP50 = quantileMs(half.sent.ack, 0.5)
  const pingP50 = quantileMs(await pings, 0.5)
  const refused = added(full.sent.refused, half.sent.refused)
  return {
    figures: {
      ...(deaths.length === 0 && {
        rate,
        cpuPerSend: full.used.gatewayMicros / full.sent.accepted,
        redisPerSend: full.used.redisMicros / full.sent.accepted,
        fullP50: quantileMs(full.sent.ack, 0.5),
        halfRate,
        halfCpuPerSend: half.used.gatewayMicros / half.sent.accepted,
        halfP50,
        halfP99: quantileMs(half.sent.ack, 0.99),
        pingP50,
        aboveRedis: halfP50 === undefined || pingP50 === undefined ? undefined : halfP50 - pingP50,
      }),
      redisCeiling,
      lost: audit.lost,
      errors: totalOf(refused),
      died: deaths.length,
      loadCores: full.used.loadCores,
      otherCores: Math.max(full.used.otherCores, half.used.otherCores),
    },
    notes: [
      ...deaths.map((words) => `a process died: ${words.slice(0, 300)}`),
      ...Object.entries(refused).map(([code, each]) => `refused: ${code} ${each}`),
    ],
    detail: { audit },
  }
}
