import { setTimeout as sleep } from 'node:timers/promises'
import type { Scope } from '../../tests/support/scope.ts'
import { startTcpProxy } from '../../tests/support/tcp-proxy.ts'
import { roomwire } from '../contenders/roomwire.ts'
import { micros } from '../load/clock.ts'
import { totalOf } from '../load/tally.ts'
import type { Sample, Scenario, Settings } from '../scenario.ts'
import { openStage, startBenchRedis, usedBetween } from '../stage.ts'

/** A connection may be in so many rooms. */
const ROOMS_EACH = 1000
const BODY_CHARS = 98
const GIVE_UP_MS = 60_000

export const positions: Scenario = {
  name: 'positions',
  summary: 'after a Redis outage: until the lost last message of every quiet room is found',
  options: {
    rooms: { default: '20000', description: 'local rooms on one instance' },
    lost: { default: '200,20000', description: 'rooms to which one message is sent meanwhile' },
    outage: { default: '5', description: 'seconds without Redis, at least' },
  },
  rivals: [],
  metrics: [
    { name: 'found', title: 'all found after', unit: 's', digits: 2 },
    { name: 'reconnected', title: 'of these, until it reconnected', unit: 's', digits: 2 },
    { name: 'missing', title: 'not found', unit: '', digits: 0 },
    { name: 'dropped', title: 'clients dropped', unit: '', digits: 0 },
    { name: 'cpu', title: 'CPU meanwhile', unit: 's', digits: 2 },
    { name: 'redis', title: 'Redis meanwhile', unit: 's', digits: 2 },
    { name: 'otherCores', title: 'others', unit: 'cores', digits: 2 },
  ],
  variants: (settings) =>
    settings.numbers('lost').map((lost) => ({
      name: nameOf(lost),
      turn: (scope) => turn(scope, settings, lost),
    })),
  claims: (results, settings) =>
    settings.numbers('lost').flatMap((lost) => [
      {
        text: `${nameOf(lost)}: found after Redis is back, s, in any turn`,
        measured: results.summary(nameOf(lost), 'roomwire', 'found')?.max,
        atMost: 2,
      },
      {
        text: `${nameOf(lost)}: not found, in any turn`,
        measured: results.summary(nameOf(lost), 'roomwire', 'missing')?.max,
        atMost: 0,
      },
    ]),
}

const nameOf = (lost: number) => `${lost} rooms lost a message`

async function turn(scope: Scope, settings: Settings, lost: number): Promise<Sample> {
  const redis = await startBenchRedis(scope, settings.aof)
  // For the instance, Redis is away; another one, straight on Redis, goes on.
  const link = await startTcpProxy(scope, { target: { host: redis.host, port: redis.port } })
  const stage = await openStage(scope, roomwire, {
    ...{ instances: 1, aof: settings.aof, redis, through: { host: link.host, port: link.port } },
  })
  const behind = await roomwire.start(scope, { redis, name: 'behind-its-back' })
  const { members, senders } = stage
  const { wire } = roomwire
  const count = settings.number('rooms')
  const rooms = Array.from({ length: count }, (_, index) => `room-${index}`)
  const opened = await members.openMembers({
    ...{
      wire,
      targets: stage.targets,
      rooms,
      sampleEvery: 0,
      bodyChars: BODY_CHARS,
    },
    ...{ count: Math.ceil(count / ROOMS_EACH), concurrency: 5 },
    roomsEach: Math.min(ROOMS_EACH, count),
  })
  if (Object.keys(opened.failed).length > 0) throw new Error(JSON.stringify(opened.failed))
  await senders.openSenders({
    ...{ wire, bodyChars: BODY_CHARS },
    groups: [{ target: { host: behind.host, port: behind.port }, rooms: [], count: 10 }],
  })

  const cutAt = performance.now()
  await link.cut()
  const step = Math.max(1, Math.floor(count / lost))
  const chosen = rooms.filter((_, index) => index % step === 0).slice(0, lost)
  const { accepted } = await senders.sendEach(chosen, 1)
  const stored = Object.keys(accepted).length
  if (stored !== chosen.length) throw new Error(`only ${stored} messages were accepted`)
  await sleep(Math.max(0, settings.number('outage') * 1000 - (performance.now() - cutAt)))
  const early = (await members.received()).deliveries
  if (early > 0) throw new Error(`${early} messages arrived although Redis was away`)

  const before = stage.usage()
  const acceptedBefore = link.accepted
  const healedAt = micros()
  await link.heal()
  let reconnectedAt: number | undefined
  const watching = setInterval(() => {
    if (link.accepted > acceptedBefore) reconnectedAt ??= micros()
  }, 5)
  scope.defer(() => clearInterval(watching))
  const foundAt = await members.reached(chosen.length, GIVE_UP_MS)
  const used = usedBetween(before, stage.usage())
  const { deliveries, closed } = await members.audit({}, {})
  const since = (at: number | undefined) => (at === undefined ? undefined : (at - healedAt) / 1e6)
  return {
    figures: {
      found: since(foundAt) ?? GIVE_UP_MS / 1000,
      reconnected: since(reconnectedAt),
      missing: chosen.length - deliveries,
      dropped: totalOf(closed),
      cpu: used.gatewayMicros / 1e6,
      redis: used.redisMicros / 1e6,
      otherCores: used.otherCores,
    },
    notes: [],
  }
}
