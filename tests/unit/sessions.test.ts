import { expect, test } from 'vitest'
import { createMemorySessions } from '../../server/broker/memory-sessions.ts'
import { createMemoryStore } from '../../server/broker/memory-store.ts'
import { createSessions, type Fate, whoReturns } from '../../server/session/sessions.ts'

/** Two instances whose clock stands still until it is moved. */
function createCluster(fates: Record<string, Fate> = {}) {
  let now = 1_000_000
  let sleepers: { until: number; wake: () => void }[] = []
  const store = createMemoryStore()
  const instance = (name: string) =>
    createSessions({
      store: createMemorySessions(store, () => now),
      home: { instance: name, boot: `boot of ${name}` },
      fate: (boot) => (boot in fates ? fates[boot] : 'live'),
      pingMs: 45_000,
      wait: (ms) => new Promise((wake) => sleepers.push({ until: now + ms, wake: () => wake(0) })),
    })
  async function pass(ms: number): Promise<void> {
    const end = now + ms
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve))
      const next = Math.min(...sleepers.map(({ until }) => until))
      if (next > end) break
      now = next
      for (const { wake } of sleepers.filter(({ until }) => until <= now)) wake()
      sleepers = sleepers.filter(({ until }) => until > now)
    }
    now = end
  }
  return { one: instance('one'), two: instance('two'), pass, fates }
}

test('the same and another instance, cause and gap', async () => {
  const { one, two, pass } = createCluster()
  expect(await one.opened('s', 'c1')).toBeUndefined()
  one.closed('s', 'c1', 'transport close')
  await pass(700)
  const there = { cause: 'transport close', sameInstance: false, gapMs: 700 }
  expect(await two.opened('s', 'c2')).toEqual(there)
  two.closed('s', 'c2', 'drain')
  await pass(20)
  expect(await two.opened('s', 'c3')).toEqual({ cause: 'drain', sameInstance: true, gapMs: 20 })
})

test('live tabs of one session are no reconnection; each that comes back is one', async () => {
  const { one, two, pass } = createCluster()
  await one.opened('s', 'a1')
  const tabs = [one.opened('s', 'b1'), two.opened('s', 'c1')]
  await pass(60_000)
  expect(await Promise.all(tabs)).toEqual([undefined, undefined])
  two.closed('s', 'c1', 'transport close')
  one.closed('s', 'a1', 'ping timeout')
  await pass(100)
  const causes = [await two.opened('s', 'a2'), await two.opened('s', 'c2')].map((it) => it?.cause)
  expect(causes.sort()).toEqual(['ping timeout', 'transport close'])
  const more = two.opened('s', 'd1')
  await pass(60_000)
  expect(await more).toBeUndefined()
})

test.each([
  ['at once', 600, 'client namespace disconnect'],
  ['later', 5000, 'transport close'],
])('a tab that is closed %s while another stays explains nobody', async (_, inMs, cause) => {
  const { one, two, pass } = createCluster()
  await one.opened('s', 'a1')
  const other = two.opened('s', 'b1')
  await pass(inMs)
  one.closed('s', 'a1', cause)
  await pass(60_000)
  expect(await other).toBeUndefined()
})

test.each([
  ['noted after the next beginning', 2000, 'transport close', 1000],
  ['of who came back at once, seen in the wrong order', 100, 'client namespace disconnect', 1000],
  ['by time-out, of who changed the network and is back already', 44_000, 'ping timeout', 5000],
])('an end counts: one %s', async (_, noticedMs, cause, restMs) => {
  const { one, two, pass } = createCluster()
  await one.opened('s', 'c1')
  const back = two.opened('s', 'c2')
  await pass(noticedMs)
  one.closed('s', 'c1', cause)
  await pass(restMs)
  expect(await back).toEqual({ cause, sameInstance: false, gapMs: 0 })
})

test('a killed instance: each that was on it comes back once', async () => {
  const { one, two, pass, fates } = createCluster()
  await one.opened('s', 'c1')
  await one.opened('user', 'd1')
  void one.opened('user', 'd2')
  fates['boot of one'] = 'gone'
  const back = [two.opened('s', 'c2'), two.opened('user', 'd3'), two.opened('user', 'd4')]
  const more = two.opened('user', 'd5')
  await pass(60_000)
  const died = { cause: 'instance_died', sameInstance: false, gapMs: undefined }
  expect(await Promise.all(back)).toEqual([died, died, died])
  expect(await more).toBeUndefined()
})

test.each([
  ['the instance stopped', 'stopped'],
  ['nobody can tell', undefined],
] as const)('an end that nobody noted is unknown, where %s', async (_, fate) => {
  const { one, two, pass, fates } = createCluster()
  await one.opened('s', 'c1')
  fates['boot of one'] = fate
  const back = two.opened('s', 'c2')
  await pass(60_000)
  expect(await back).toEqual({ cause: 'unknown', sameInstance: false, gapMs: undefined })
})

test('a connection belongs to its session, else to its user, else to nobody', () => {
  const token = { id: undefined, issuedAt: 0, expiresAt: 0, claims: {} }
  const user = { id: 'public' }
  const identity = { user, sender: 'u:ada', session: undefined, token: undefined }
  expect(whoReturns({ ...identity, session: 'tab', token })).toBe('s:tab')
  expect(whoReturns({ ...identity, token })).toBe('u:u:ada')
  expect(whoReturns(identity)).toBeUndefined()
})
