import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Position } from '../../server/protocol.ts'
import { createRandom } from '../chaos/random.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { startInProcess } from '../support/in-process.ts'
import { readMetric } from '../support/metrics.ts'
import {
  count,
  createReconnectionScript,
  type Guest,
  type Place,
  type ReconnectionScript,
  type ScriptedReturn,
  type Shelf,
} from '../support/reconnection-script.ts'
import { startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { sendStored } from '../support/send-stored.ts'
import { testScope } from '../support/test-scope.ts'

const PING = { WEBSOCKET_SERVER_PING_INTERVAL: '2', WEBSOCKET_SERVER_PING_TIMEOUT: '3' }
/** Until nothing that is open can be explained any more: the ping time-out and 2 s, at least 8 s. */
const EXPLAINED_MS = 8_000
const OUTCOMES = ['none', 'resumed', 'replayed', 'reset'] as const
const GAP_BOUNDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** Runs `work` for each item, 40 at a time. */
async function each<T>(items: readonly T[], work: (item: T, index: number) => Promise<void>) {
  let next = 0
  const lane = async () => {
    for (let index = next++; index < items.length; index = next++) {
      await work(items[index] as T, index)
    }
  }
  await Promise.all(Array.from({ length: 40 }, lane))
}

async function fillShelf(scope: Scope, url: string): Promise<Shelf> {
  const client = await connectClient(scope, url)
  const room = 'shelf'
  const positions: Position[] = []
  for (let number = 0; number < 10; number += 1) {
    const { position } = await sendStored(client, { room, id: `m${number}`, body: number })
    positions.unshift(position)
  }
  client.close()
  const [position = expect.fail()] = positions
  const before = new Map([1, 3, 7].map((missed) => [missed, positions[missed] ?? expect.fail()]))
  return { room, position, before }
}

const arrivals = async (script: ReconnectionScript, many: number, places: readonly Place[]) => {
  const guests: Guest[] = []
  await each(Array(many).fill(0), async (_, index) => {
    guests.push(await script.arrive(places[index % places.length] ?? expect.fail()))
  })
  return guests
}

/** Ends them from their side and brings them back, after gaps of several lengths. */
async function closeAndReturn(
  script: ReconnectionScript,
  guests: readonly Guest[],
  places: readonly Place[],
  how: 'close' | 'leave',
): Promise<void> {
  await each(guests, async (guest, index) => {
    const from = performance.now()
    if (how === 'leave') await guest.visitor.leave()
    else guest.visitor.close()
    await guest.visitor.closed
    const cause = how === 'leave' ? 'client_namespace_disconnect' : 'transport_close'
    const ended = [from, performance.now()] as const
    const to = places[Math.floor(index / 3) % places.length] ?? expect.fail()
    await script.comeBack(guest, to, cause, ended, [0, 350, 1600][index % 3])
  })
}

/** Sums a metric over instances. */
async function total(places: readonly Place[], name: string, labels: Record<string, string> = {}) {
  const values = await Promise.all(places.map(({ url }) => readMetric(url, name, labels)))
  return values.reduce((sum, value) => sum + value, 0)
}

/** Compares how many there were of each kind with what was done. */
async function compareCounts(places: readonly Place[], returns: readonly ScriptedReturn[]) {
  const causes = [
    ...new Set(returns.map(({ cause }) => cause)),
    'transport_error',
    'unknown',
    'other',
  ]
  const kinds = causes.flatMap((cause) => [
    { cause, instance: 'same' },
    { cause, instance: 'other' },
  ])
  const table = await Promise.all(
    kinds.map(async (kind) => {
      const counted = await total(places, 'roomwire_reconnections_total', kind)
      return { ...kind, counted, done: count(returns, kind) }
    }),
  )
  expect(table).toEqual(table.map((row) => ({ ...row, counted: row.done })))
  expect(await total(places, 'roomwire_reconnections_total')).toBe(returns.length)
}

/** Compares every other figure with what was done. */
async function compareFigures(places: readonly Place[], returns: readonly ScriptedReturn[]) {
  // Gaps: where the client cannot tell on which side of a bound one was, either is right.
  const gaps = returns.flatMap(({ gap }) => (gap === undefined ? [] : [gap]))
  const histogram = 'roomwire_reconnection_gap_seconds'
  expect(await total(places, `${histogram}_count`)).toBe(gaps.length)
  for (const bound of GAP_BOUNDS) {
    const counted = await total(places, `${histogram}_bucket`, { le: String(bound) })
    const surely = gaps.filter(([, longest]) => longest <= bound * 1000).length
    const perhaps = gaps.filter(([shortest]) => shortest <= bound * 1000).length
    expect(counted, `gaps up to ${bound} s`).toBeGreaterThanOrEqual(surely)
    expect(counted, `gaps up to ${bound} s`).toBeLessThanOrEqual(perhaps)
  }

  for (const outcome of OUTCOMES) {
    const counted = await total(places, 'roomwire_reconnection_outcomes_total', { outcome })
    expect([outcome, counted]).toEqual([outcome, count(returns, { outcome })])
  }
  const reset = count(returns, { outcome: 'reset' })
  const recovered = returns.length - reset - count(returns, { outcome: 'none' })
  const resumes = (outcome: string) => total(places, 'roomwire_resumes_total', { outcome })
  expect([await resumes('reset'), await resumes('recovered')]).toEqual([reset, recovered])
  expect(await total(places, 'roomwire_messages_replayed_total')).toBe(
    returns.reduce((sum, { replayed }) => sum + replayed, 0),
  )
  const attempts = returns.flatMap((one) => one.attempts ?? [])
  const told = 'roomwire_reconnection_attempts'
  expect(await total(places, `${told}_count`)).toBe(attempts.length)
  expect(await total(places, `${told}_sum`)).toBe(attempts.reduce((sum, one) => sum + one, 0))
}

async function statsOf({ url }: Place) {
  const response = await fetch(`${url}/api/monitoring/stats`)
  return ((await response.json()) as { reconnections: Record<string, unknown> }).reconnections
}

test('1,000 scripted reconnections over three instances: every count is exact', {
  timeout: 180_000,
}, async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const start = async (name: string) => {
    const gateway = await startGateway(scope, {
      env: {
        ...PING,
        ...{ REDIS_URL: redis.url(), INSTANCE_ID: name, LOG_LEVEL: 'debug' },
        ...{ DRAIN_NOTICE: '0ms', DRAIN_PERIOD: '4s' },
      },
    })
    await gateway.ready()
    return gateway
  }
  const placeOf = ({ instance: name, url }: GatewayProcess) => ({ name, url })
  const [one, two, first] = await Promise.all([start('one'), start('two'), start('three')])
  const stay = [placeOf(one), placeOf(two)]
  const shelf = await fillShelf(scope, one.url)
  const script = createReconnectionScript(scope, createRandom(7), shelf)

  // Not one of these is a reconnection: further tabs, of which some are closed, and no session.
  const [lone] = stay
  for (const guest of await arrivals(script, 20, stay)) {
    const tab = await script.another(guest, lone ?? expect.fail())
    if (guest.place !== lone) await tab.leave()
  }
  await connectClient(scope, one.url)

  const three = placeOf(first)
  const all = [...stay, three]
  const [closing, leaving, silent, moving] = [
    await arrivals(script, 300, all),
    await arrivals(script, 100, all),
    await arrivals(script, 150, all),
    await arrivals(script, 50, all),
  ]
  const silentSince = performance.now()
  for (const { visitor } of [...silent, ...moving]) visitor.fallSilent()
  // A new connection before the old one's end is noticed, as of who changed the network.
  await each(moving, async (guest, index) => {
    const to = stay[index % 2] ?? expect.fail()
    await script.comeBack(guest, to, 'ping_timeout', 'after')
  })
  expect(performance.now() - silentSince).toBeLessThan(3000)
  await closeAndReturn(script, closing, stay, 'close')
  await closeAndReturn(script, leaving, stay, 'leave')
  const timedOut = () => total(all, 'roomwire_disconnects_total', { reason: 'ping_timeout' })
  await eventually(async () => (await timedOut()) === 200, {
    what: '200 ping time-outs',
    timeoutMs: 30_000,
  })
  const noticed = performance.now()
  await each(silent, async (guest, index) => {
    const to = stay[Math.floor(index / 3) % 2] ?? expect.fail()
    await script.comeBack(guest, to, 'ping_timeout', [silentSince, noticed], [0, 350][index % 2])
  })

  // A drain.
  const drained = await arrivals(script, 200, [three])
  const asked = performance.now()
  void first.stop(30_000)
  await each(drained, async (guest, index) => {
    await guest.visitor.closed
    expect(guest.visitor.bye).toContain('DRAIN')
    const ended = [asked, performance.now()] as const
    await script.comeBack(guest, stay[index % 2] ?? expect.fail(), 'drain', ended)
  })
  await first.exited

  // A crash: most go to others, some to the one that is started again in its place.
  const second = await start('three')
  const killed = await arrivals(script, 200, [placeOf(second)])
  // What an instance has noted of its last 20 ms dies with it.
  const noted = () => redis.cli('EVAL', "return #redis.call('KEYS', ARGV[1])", '0', '*:seen:*')
  await eventually(async () => Number(await noted()) === 1020, { what: 'notes of all sessions' })
  second.signal('SIGKILL')
  await second.exited
  await Promise.all(killed.map(({ visitor }) => visitor.closed))
  await each(killed.slice(50), async (guest, index) => {
    await script.comeBack(guest, stay[index % 2] ?? expect.fail(), 'instance_died', 'unseen')
  })
  const third = await start('three')
  const places = [...stay, placeOf(third)]
  await each(killed.slice(0, 50), async (guest) => {
    await script.comeBack(guest, placeOf(third), 'instance_died', 'unseen')
  })

  await sleep(EXPLAINED_MS)
  expect(script.returns).toHaveLength(1000)
  const everybody = [...closing, ...leaving, ...silent, ...moving, ...drained, ...killed]
  for (const { visitor } of everybody) visitor.close() // which settles what they came to
  const warnings = () =>
    [one, two, third].flatMap(({ logs }) => logs.filter((it) => it.level >= 40))
  await compareCounts(places, script.returns).catch((cause: unknown) => {
    throw new Error(`not exact; warnings: ${JSON.stringify(warnings())}`, { cause })
  })
  const settled = () => total(places, 'roomwire_reconnection_outcomes_total')
  await eventually(async () => (await settled()) === 1000, { what: '1,000 outcomes' })
  await compareFigures(places, script.returns)

  // The same in stats and in logs.
  const stats = await Promise.all(places.map(statsOf))
  expect(stats.reduce((sum, { total: own }) => sum + Number(own), 0)).toBe(1000)
  const lines = [one, two, third].flatMap(({ logs }) => logs)
  const returned = lines.filter(({ msg }) => msg === 'reconnected')
  expect(returned).toHaveLength(1000)
  expect(returned[0]).toMatchObject({ transport: 'websocket', cause: expect.any(String) })
  const storms = lines.filter(({ msg }) => msg === 'reconnect storm')
  expect(storms.length).toBeGreaterThan(0)
  expect(storms[0]).toMatchObject({ level: 30, total: expect.any(Number) })
  expect(lines.filter(({ level }) => level >= 50)).toEqual([])
})

test('in memory, one instance: every count is exact', async () => {
  const scope = testScope()
  const gateway = await startInProcess(scope, { ...PING, INSTANCE_ID: 'alone' })
  const place = { name: 'alone', url: gateway.url }
  const script = createReconnectionScript(
    scope,
    createRandom(11),
    await fillShelf(scope, place.url),
  )

  const tabbed = await script.arrive(place)
  const tab = await script.another(tabbed, place)
  const [closing, leaving, silent] = [
    await arrivals(script, 30, [place]),
    await arrivals(script, 12, [place]),
    await arrivals(script, 8, [place]),
  ]
  const silentSince = performance.now()
  for (const { visitor } of silent) visitor.fallSilent()
  await closeAndReturn(script, closing, [place], 'close')
  await closeAndReturn(script, leaving, [place], 'leave')
  const timedOut = () => total([place], 'roomwire_disconnects_total', { reason: 'ping_timeout' })
  await eventually(async () => (await timedOut()) === 8, { timeoutMs: 20_000 })
  const noticed = performance.now()
  await each(silent, (guest) =>
    script.comeBack(guest, place, 'ping_timeout', [silentSince, noticed]),
  )
  // The server's own decision, as an embedder makes it: two tabs at once, and each comes back.
  const cut = performance.now()
  gateway.io.local.disconnectSockets(true)
  await Promise.all([tabbed.visitor.closed, tab.closed])
  const ended = [cut, performance.now()] as const
  await script.comeBack(tabbed, place, 'server_namespace_disconnect', ended)
  await script.comeBack(tabbed, place, 'server_namespace_disconnect', ended)

  await eventually(async () => (await statsOf(place))['total'] === script.returns.length)
  gateway.io.local.disconnectSockets(true)
  const settled = () => total([place], 'roomwire_reconnection_outcomes_total')
  await eventually(async () => (await settled()) === script.returns.length)
  await compareCounts([place], script.returns)
  await compareFigures([place], script.returns)
  expect(await statsOf(place)).toMatchObject({
    total: 52,
    byInstance: { same: 52 },
    byTransport: { websocket: 52 },
    byCause: { server_namespace_disconnect: 2 },
  })
})
