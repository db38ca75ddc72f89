import { setTimeout as sleep } from 'node:timers/promises'
import type { Scope } from '../../tests/support/scope.ts'
import type { Contender } from '../contenders/contender.ts'
import { stockCaught, streamsRecovery } from '../contenders/socket-io.ts'
import { watchHealth } from '../health-watch.ts'
import { quantileMs } from '../histogram.ts'
import { totalOf } from '../load/tally.ts'
import { type Commands, readCommands, resetCommands } from '../redis-commands.ts'
import type { Sample, Scenario, Settings } from '../scenario.ts'
import { openStage, usedBetween } from '../stage.ts'

/** Longer than rooms without members are kept, so that nothing of them is left in memory. */
const LONG_AWAY_MS = 9000
/** Ends of connections are recorded by then. */
const SHORT_AWAY_MS = 2000
const BODY_CHARS = 98
const IDLE_MS = 2000
const variants = [
  { name: 'back at once', awayMs: SHORT_AWAY_MS },
  { name: 'back after the rooms were left', awayMs: LONG_AWAY_MS },
]

export const storm: Scenario = {
  name: 'storm',
  summary: 'all clients cut at once, all back at once on another instance, messages missed',
  options: {
    clients: { default: '5000', description: 'clients' },
    rooms: { default: '100', description: 'rooms' },
    instances: { default: '2', description: 'instances' },
    missed: { default: '20', description: 'messages to each room while they are away' },
    limit: { default: '60', description: 'seconds after which who is not recovered is given up' },
  },
  rivals: [stockCaught, streamsRecovery],
  metrics: [
    { name: 'p50', title: 'recovered p50', unit: 's', better: 'lower', digits: 2 },
    { name: 'p99', title: 'recovered p99', unit: 's', better: 'lower', digits: 2 },
    { name: 'recovered', title: 'recovered', unit: '', digits: 0 },
    { name: 'lost', title: 'lost', unit: 'messages', digits: 0 },
    { name: 'wrong', title: 'repeated or started over', unit: '', digits: 0 },
    { name: 'commands', title: 'Redis commands per room and instance', unit: '', digits: 2 },
    { name: 'reads', title: 'of these script calls', unit: '', digits: 2 },
    { name: 'presence', title: 'presence and sessions, per client', unit: 'commands', digits: 2 },
    { name: 'healthSlowest', title: 'slowest health answer', unit: 'ms', digits: 0 },
    { name: 'healthFailed', title: 'health not answered', unit: '', digits: 0 },
    { name: 'cpu', title: 'CPU per client', unit: 'ms', better: 'lower', digits: 2 },
    { name: 'retries', title: 'attempts that failed', unit: '', digits: 0 },
    { name: 'died', title: 'died', unit: '', digits: 0 },
    { name: 'otherCores', title: 'others', unit: 'cores', digits: 2 },
  ],
  variants: (settings) =>
    variants.map(({ name, awayMs }) => ({
      name,
      turn: (scope, contender) => turn(scope, contender, settings, awayMs),
    })),
  claims: (results) =>
    variants.flatMap(({ name }) => [
      ...['lost', 'wrong', 'died', 'healthFailed'].map((metric) => ({
        text: `${name}: ${metric}, in any turn`,
        measured: results.summary(name, 'roomwire', metric)?.max,
        atMost: 0,
      })),
      {
        text: `${name}: Redis commands per room and instance`,
        measured: results.summary(name, 'roomwire', 'commands')?.median,
        atMost: 1.2,
      },
      {
        text: `${name}: slowest /health/live, ms, in any turn`,
        measured: results.summary(name, 'roomwire', 'healthSlowest')?.max,
        atMost: 1000,
      },
    ]),
}

async function turn(
  scope: Scope,
  contender: Contender,
  settings: Settings,
  awayMs: number,
): Promise<Sample> {
  const instances = settings.number('instances')
  const stage = await openStage(scope, contender, { instances, aof: settings.aof })
  const { members, senders, redis } = stage
  const count = settings.number('clients')
  const missed = settings.number('missed')
  const rooms = Array.from({ length: settings.number('rooms') }, (_, index) => `room-${index}`)
  const targets = stage.targets
  const { recovery, wire } = contender
  const opened = await members.openReturning({ targets, rooms, count, concurrency: 50, recovery })
  if (opened.opened < count) throw new Error(`not joined: ${JSON.stringify(opened.failed)}`)
  await senders.openSenders({
    ...{ wire, bodyChars: BODY_CHARS },
    groups: targets.map((target) => ({ target, rooms: [], count: 5 })),
  })
  await fill(1)
  if (!(await members.seen(1, 30_000))) throw new Error('not all clients saw the first message')

  async function fill(times: number): Promise<void> {
    const { accepted } = await senders.sendEach(rooms, times)
    const stored = totalOf(accepted)
    if (stored !== rooms.length * times) throw new Error(`only ${stored} messages were accepted`)
  }

  const cutAt = performance.now()
  await members.cut()
  if (awayMs > SHORT_AWAY_MS) await sleep(awayMs)
  await fill(missed)
  await sleep(Math.max(0, awayMs - (performance.now() - cutAt)))

  // What goes on without any client is not the storm's.
  const idle = awayMs > SHORT_AWAY_MS ? await commandsDuring(() => sleep(IDLE_MS)) : {}
  const health = watchHealth(scope, stage.instances, { everyMs: 100, limitMs: 5000 })
  const before = stage.usage()
  let returned: Awaited<ReturnType<typeof members.comeBack>> | undefined
  const commands = await commandsDuring(async () => {
    returned = await members.comeBack(1 + missed, settings.number('limit') * 1000)
  })
  const used = usedBetween(before, stage.usage())
  const { failed, slowest } = health()
  if (returned === undefined) throw new Error('nobody came back')

  async function commandsDuring(task: () => Promise<unknown>): Promise<Commands> {
    await resetCommands(redis)
    await task()
    return readCommands(redis)
  }
  const idleShare = (used.seconds * 1000) / IDLE_MS
  const caused = (names: readonly string[]) =>
    names.reduce(
      (sum, name) => sum + Math.max(0, (commands[name] ?? 0) - (idle[name] ?? 0) * idleShare),
      0,
    )
  const { took, retries } = returned
  const seconds = (share: number) => (quantileMs(took, share) ?? Number.NaN) / 1000
  const per = rooms.length * instances
  // Presence and sessions are written by EVAL, rooms read by EVALSHA.
  const presence = ['eval']
  const reads = ['evalsha', 'xrange', 'xrevrange']
  const subscriptions = ['subscribe', 'ssubscribe', 'unsubscribe', 'sunsubscribe', 'psubscribe']
  const deaths = stage.deaths()
  return {
    figures: {
      p50: seconds(0.5),
      p99: seconds(0.99),
      recovered: returned.recovered,
      lost: returned.lost,
      wrong: returned.repeated + returned.startedOver,
      commands: caused([...reads, ...subscriptions]) / per,
      reads: caused(reads) / per,
      presence: caused(presence) / count,
      healthSlowest: slowest,
      healthFailed: failed,
      cpu: used.gatewayMicros / count / 1000,
      retries: totalOf(retries),
      died: deaths.length,
      otherCores: used.otherCores,
    },
    notes: [
      ...deaths.map((words) => `a process died: ${words.slice(0, 300)}`),
      ...Object.entries(retries).map(([reason, each]) => `tried again: ${reason} ${each}`),
    ],
    detail: { commands, idle, seconds: used.seconds },
  }
}
