import { setTimeout as sleep } from 'node:timers/promises'
import type { Scope } from '../../tests/support/scope.ts'
import type { Contender } from '../contenders/contender.ts'
import { bareWs, sharded, stockCaught } from '../contenders/socket-io.ts'
import { quantileMs } from '../histogram.ts'
import { added, totalOf } from '../load/tally.ts'
import type { Sample, Scenario, Settings } from '../scenario.ts'
import { settledAudit } from '../settled-audit.ts'
import { openStage, usedBetween } from '../stage.ts'
import { inverse } from '../statistics.ts'

const VARIANT = 'rooms on one instance each'
const SENDERS_PER_INSTANCE = 5
const BODY_CHARS = 98

export const manyRooms: Scenario = {
  name: 'many-rooms',
  summary: 'what an instance pays for rooms that are none of its own',
  options: {
    instances: { default: '4', description: 'instances' },
    rooms: { default: '400', description: 'rooms of each instance, on no other, with one member' },
    rate: { default: '3', description: 'messages per second to each room' },
    // Long enough for the compiler: at a few hundred messages a second it takes that long.
    warm: { default: '8', description: 'seconds before each measured window' },
  },
  // Bare ws is the floor: what three wakings of a process cost with nothing around them.
  rivals: [stockCaught, sharded, bareWs],
  metrics: [
    { name: 'perInstance', title: 'CPU per instance', unit: 'cores', better: 'lower', digits: 4 },
    { name: 'perMessage', title: 'CPU per message, all', unit: 'µs', better: 'lower' },
    { name: 'doubled', title: 'one instance, others doubled', unit: '×', digits: 2 },
    { name: 'p50', title: 'p50', unit: 'ms', digits: 2 },
    { name: 'p99', title: 'p99', unit: 'ms', digits: 2 },
    { name: 'redisPerMessage', title: 'Redis per message', unit: 'µs' },
    { name: 'lost', title: 'lost', unit: '', digits: 0 },
    { name: 'errors', title: 'errors', unit: '', digits: 0 },
    { name: 'died', title: 'died', unit: '', digits: 0 },
    { name: 'loadCores', title: 'load', unit: 'cores', digits: 2 },
    { name: 'otherCores', title: 'others', unit: 'cores', digits: 2 },
  ],
  variants: (settings) => [
    { name: VARIANT, turn: (scope, contender) => turn(scope, contender, settings) },
  ],
  claims: (results) => [
    {
      text: 'CPU per instance, Roomwire ÷ classic adapter',
      measured: inverse(results.ratio(VARIANT, 'stock-caught', 'perInstance')?.ratio),
      atMost: 0.4,
    },
    {
      text: 'CPU per instance, Roomwire ÷ sharded adapter',
      measured: inverse(results.ratio(VARIANT, 'sharded', 'perInstance')?.ratio),
      atMost: 0.8,
    },
    {
      text: 'CPU of one Roomwire instance when the others’ traffic doubles, ×',
      measured: results.summary(VARIANT, 'roomwire', 'doubled')?.median,
      // Flat but for what a busier machine costs everybody: caches and the scheduler.
      atMost: 1.1,
    },
  ],
}

async function turn(scope: Scope, contender: Contender, settings: Settings): Promise<Sample> {
  const count = settings.number('instances')
  const stage = await openStage(scope, contender, { instances: count, aof: settings.aof })
  const { members, senders } = stage
  const each = settings.number('rooms')
  const groups = stage.targets.map((target, instance) => ({
    target,
    rooms: Array.from({ length: each }, (_, room) => `room-${instance}-${room}`),
  }))
  const { wire } = contender
  for (const { target, rooms } of groups) {
    const opened = await members.openMembers({
      ...{ wire, targets: [target], rooms, count: each, roomsEach: 1 },
      ...{ concurrency: 20, sampleEvery: 1, bodyChars: BODY_CHARS },
    })
    if (opened.opened < each) throw new Error(`not joined: ${JSON.stringify(opened.failed)}`)
  }
  await senders.openSenders({
    ...{ wire, bodyChars: BODY_CHARS },
    groups: groups.map((group) => ({ ...group, count: SENDERS_PER_INSTANCE })),
  })

  async function window(rates: readonly number[]) {
    const warmMs = settings.number('warm') * 1000
    const windowMs = settings.seconds * 1000
    const paces = rates.map((rate) => ({ rate, burstMs: 0 }))
    const sending = senders.sendPaced(paces, warmMs + windowMs)
    await sleep(warmMs)
    await Promise.all([members.received(), senders.sendWindow()])
    const before = stage.usage()
    await sleep(windowMs)
    const used = usedBetween(before, stage.usage())
    const [reception, sent] = await Promise.all([members.received(), senders.sendWindow()])
    return { used, reception, sent, done: await sending }
  }

  const base = each * settings.number('rate')
  const alike = await window(groups.map(() => base))
  const doubled = await window(groups.map((_, index) => (index === 0 ? base : base * 2)))
  const audit = await settledAudit(members, alike.done, doubled.done)
  const deaths = stage.deaths()
  const first = ({ used }: typeof alike) => (used.instanceMicros[0] ?? 0) / used.seconds
  return {
    figures: {
      ...(deaths.length === 0 && {
        perInstance: alike.used.gatewayMicros / alike.used.seconds / count / 1e6,
        perMessage: alike.used.gatewayMicros / alike.reception.deliveries,
        doubled: first(doubled) / first(alike),
        p50: quantileMs(alike.reception.latency, 0.5),
        p99: quantileMs(alike.reception.latency, 0.99),
        redisPerMessage: alike.used.redisMicros / alike.reception.deliveries,
      }),
      lost: audit.lost,
      errors: totalOf(added(alike.sent.refused, doubled.sent.refused)),
      died: deaths.length,
      loadCores: doubled.used.loadCores,
      otherCores: Math.max(alike.used.otherCores, doubled.used.otherCores),
    },
    notes: deaths.map((words) => `a process died: ${words.slice(0, 300)}`),
    detail: { audit, instanceMicros: [alike.used.instanceMicros, doubled.used.instanceMicros] },
  }
}
