import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { alertRules } from '../support/alert-rules.ts'
import { eventually } from '../support/eventually.ts'
import { type Alertmanager, startAlertmanager, startPrometheus } from '../support/monitoring.ts'
import { type ShippedSystem, startShippedSystem } from '../support/shipped-system.ts'
import { testScope } from '../support/test-scope.ts'
import { printFigures } from './settings.ts'

/** Scrapes, evaluations (a second each) and Alertmanager's group_wait (10 s), with room to spare. */
const MESSAGE_MS = 30_000
/** Its group_interval (60 s), the longest range an alert looks back over here (2 min), and some. */
const CLEAR_MS = 60_000 + 120_000 + 60_000

interface Fault {
  title: string
  /** Alerts that must be told, each with labels that its message has. */
  alerts: { name: string; labels: Record<string, string> }[]
  begin(system: ShippedSystem): Promise<unknown>
  end(system: ShippedSystem): Promise<unknown>
}

const cliAs = (password: string, system: ShippedSystem, ...args: string[]) =>
  system.cache.cli({ REDISCLI_AUTH: password }, ...args)

const faults: readonly Fault[] = [
  {
    title: 'the password of the cache changes, and nobody was told',
    alerts: [
      {
        name: 'RoomwireRedisAuthenticationErrors',
        labels: { role: 'cache', kind: 'wrongpass', severity: 'critical' },
      },
      { name: 'RoomwireRedisLost', labels: { role: 'cache' } },
      { name: 'RedisDown', labels: { role: 'cache' } }, // its exporter has the old one as well
    ],
    async begin(system) {
      await system.cli(system.cache, 'ACL', 'SETUSER', 'default', 'resetpass', '>another')
      await cliAs('another', system, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    },
    end: (system) =>
      cliAs('another', system, 'ACL', 'SETUSER', 'default', 'resetpass', `>${system.password}`),
  },
  {
    title: 'a stranger tries passwords',
    alerts: [{ name: 'RedisRefusesLogins', labels: { role: 'rooms', err: 'WRONGPASS' } }],
    async begin({ rooms }) {
      for (let guess = 1; guess <= 5; guess += 1) {
        await rooms.cli({ REDISCLI_AUTH: `guess ${guess}` }, 'PING')
        await sleep(1500) // longer than the time between two scrapes
      }
    },
    end: () => Promise.resolve(),
  },
  {
    title: 'an instance is killed',
    alerts: [{ name: 'RoomwireInstanceDown', labels: { job: 'roomwire' } }],
    begin: ({ gateways }) => gateways[1]?.kill() ?? Promise.reject(),
    end: ({ gateways }) => gateways[1]?.start() ?? Promise.reject(),
  },
  {
    title: 'the rooms’ Redis evicts',
    alerts: [{ name: 'RedisRoomsEvicted', labels: { role: 'rooms', severity: 'critical' } }],
    async begin(system) {
      const cli = (...args: string[]) => system.cli(system.rooms, ...args)
      await cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
      const used = Number(/^used_memory:(\d+)/m.exec(await cli('INFO', 'memory'))?.[1])
      await cli('CONFIG', 'SET', 'maxmemory', String(used + 1_000_000))
      const fill = "for i = 1, 300 do redis.call('SET', 'fill:' .. i, string.rep('x', 10000)) end"
      await cli('EVAL', fill, '0')
    },
    async end(system) {
      await system.cli(system.rooms, 'CONFIG', 'SET', 'maxmemory', '1gb')
      await system.cli(system.rooms, 'CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    },
  },
  {
    title: 'the right to the channels is withdrawn: the subscriptions are lost',
    alerts: [{ name: 'RoomwireSubscriptionLost', labels: { role: 'rooms', severity: 'critical' } }],
    begin: (system) => system.cli(system.rooms, 'ACL', 'SETUSER', 'default', 'resetchannels'),
    end: (system) => system.cli(system.rooms, 'ACL', 'SETUSER', 'default', 'allchannels'),
  },
  {
    title: 'the rooms’ Redis dies',
    alerts: [{ name: 'RedisDown', labels: { role: 'rooms', severity: 'critical' } }],
    begin: ({ rooms }) => rooms.kill(),
    end: ({ rooms }) => rooms.start(),
  },
]

/** How long an alert may take from the fault on: what its rule waits for, and the way to the receiver. */
function limitMs(name: string): number {
  const rule = alertRules.find(({ alert }) => alert === name)
  if (rule === undefined) throw new Error(`there is no alert ${name}`)
  return Number.parseInt(rule.for ?? '0', 10) * 1000 + MESSAGE_MS
}

function find(
  { notices }: Alertmanager,
  { name, labels }: Fault['alerts'][number],
  status: 'firing' | 'resolved',
  since: number,
) {
  return notices.find(
    (notice) =>
      notice.at >= since &&
      notice.status === status &&
      notice.labels['alertname'] === name &&
      Object.entries(labels).every(([label, value]) => notice.labels[label] === value),
  )
}

test('each alert reaches the receiver after a real fault, within its time, and clears', async () => {
  const scope = testScope()
  const system = await startShippedSystem(scope)
  const alertmanager = await startAlertmanager(scope)
  const { query } = await startPrometheus(scope, { ...system.targets, alertmanager })
  await eventually(async () => (await query('sum(up) == 6 and roomwire:service_ok == 1')).length, {
    what: 'a healthy system',
    timeoutMs: 30_000,
  }).catch(async () => expect.fail(JSON.stringify(await query('up'))))
  // What starts is not what is wrong.
  await sleep(15_000)
  expect(alertmanager.notices).toEqual([])

  const told: { fault: string; alert: string; firedMs: number; clearedMs: number }[] = []
  const clearing: Promise<unknown>[] = []
  for (const { title, alerts, begin, end } of faults) {
    const began = Date.now()
    await begin(system)
    const fired = await Promise.all(
      alerts.map((alert) =>
        eventually(() => find(alertmanager, alert, 'firing', began), {
          what: `${alert.name}, after ${title},`,
          timeoutMs: limitMs(alert.name),
        }),
      ),
    )
    await end(system)
    const ended = Date.now()
    // Other faults go on meanwhile; a handler of its own, lest it be an unhandled rejection.
    const cleared = Promise.all(
      alerts.map(async (alert, index) => {
        const resolved = await eventually(() => find(alertmanager, alert, 'resolved', ended), {
          what: `the end of ${alert.name}, after ${title},`,
          timeoutMs: CLEAR_MS,
        })
        told.push({
          fault: title,
          alert: alert.name,
          firedMs: (fired[index]?.at ?? 0) - began,
          clearedMs: resolved.at - ended,
        })
      }),
    )
    cleared.catch(() => undefined)
    clearing.push(cleared)
  }
  await Promise.all(clearing)
  printFigures('monitoring', { told })

  for (const { annotations } of alertmanager.notices) {
    expect(annotations['runbook']).toMatch(/^docs\/OPERATIONS\.md#/)
    expect(annotations['summary']).not.toMatch(/error|<no value>/)
  }
  await eventually(async () => (await query('ALERTS{alertstate="firing"}')).length === 0, {
    what: 'silence at the end',
    timeoutMs: 360_000,
    intervalMs: 1000,
  })
})
