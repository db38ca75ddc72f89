import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  type Admission,
  type AdmissionOptions,
  createAdmission,
  type Refusal,
} from '../../server/edge/admission.ts'

// The clock stands still but for what admissions take; turns of the event loop are real.
beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

const COST_MS = 3

interface Arrival {
  outcome: 'waiting' | 'admitted' | Refusal
  turn: number
  retryAfterMs: number | undefined
  leave: () => void
}

function createCrowd(options: Partial<AdmissionOptions> = {}) {
  const admission: Admission = createAdmission({
    budgetMs: () => 10,
    maxWaiting: 1000,
    maxWaitMs: 60_000,
    full: () => false,
    ...options,
  })
  const order: Arrival[] = []
  let turn = 0

  function arrive(): Arrival {
    const arrival: Arrival = {
      outcome: 'waiting',
      turn: 0,
      retryAfterMs: undefined,
      leave: () => undefined,
    }
    arrival.leave = admission.enter({
      admit() {
        Object.assign(arrival, { outcome: 'admitted', turn })
        order.push(arrival)
        vi.advanceTimersByTime(COST_MS)
      },
      refuse(reason, retryAfterMs) {
        Object.assign(arrival, { outcome: reason, turn, retryAfterMs })
      },
    })
    return arrival
  }

  return {
    admission,
    order,
    arrive,
    /** Everybody in one turn. */
    arriveTogether: (count: number) => Array.from({ length: count }, arrive),
    async settle() {
      while (admission.waiting > 0) {
        await nextTurn()
        turn += 1
      }
      await nextTurn()
    },
  }
}

test('who arrives alone is admitted at once', () => {
  const { arrive } = createCrowd()
  expect(arrive().outcome).toBe('admitted')
})

test('a crowd is admitted in order, over several turns with a time budget each', async () => {
  const { arriveTogether, order, settle } = createCrowd()
  const crowd = arriveTogether(100)
  await settle()
  expect(order).toEqual(crowd)
  const perTurn = new Map<number, number>()
  for (const { turn } of crowd) perTurn.set(turn, (perTurn.get(turn) ?? 0) + 1)
  // Two batches may begin within one of this test's turns.
  expect(Math.max(...perTurn.values())).toBeLessThanOrEqual(2 * Math.ceil(10 / COST_MS))
  expect(perTurn.size).toBeGreaterThanOrEqual(10)
})

test('with no time left for newcomers one is admitted in each turn', async () => {
  const { arriveTogether, settle } = createCrowd({ budgetMs: () => 0 })
  const crowd = arriveTogether(20)
  await settle()
  expect(crowd.every(({ outcome }) => outcome === 'admitted')).toBe(true)
})

test('beyond the queue newcomers are refused, and get in when they come back', async () => {
  const { arriveTogether, arrive, settle } = createCrowd({ maxWaiting: 10 })
  const crowd = arriveTogether(100)
  const refused = crowd.filter(({ outcome }) => outcome === 'queue')
  expect(refused.length).toBe(100 - 10 - Math.ceil(10 / COST_MS))
  for (const { retryAfterMs } of refused) expect(retryAfterMs).toBeGreaterThanOrEqual(1000)
  await settle()
  expect(crowd.filter(({ outcome }) => outcome === 'admitted')).toHaveLength(14)
  expect(arrive().outcome).toBe('admitted')
})

test('who has waited for too long is refused instead of being admitted when it has given up', async () => {
  const { arriveTogether, settle } = createCrowd({ maxWaitMs: 20 })
  const crowd = arriveTogether(100)
  await settle()
  const outcomes = crowd.map(({ outcome }) => outcome)
  expect(outcomes.slice(0, 4)).toEqual(Array(4).fill('admitted'))
  expect(outcomes.at(-1)).toBe('wait')
  expect(outcomes).not.toContain('waiting')
})

test('who leaves the queue is not admitted', async () => {
  const { arriveTogether, settle } = createCrowd()
  const crowd = arriveTogether(20)
  crowd[19]?.leave()
  await settle()
  expect(crowd[19]?.outcome).toBe('waiting')
  expect(crowd[18]?.outcome).toBe('admitted')
})

test('a full instance refuses, also those who waited, until somebody has left', async () => {
  let connections = 0
  const { arriveTogether, arrive, order, settle } = createCrowd({ full: () => order.length >= 6 })
  const crowd = arriveTogether(10)
  await settle()
  expect(crowd.filter(({ outcome }) => outcome === 'connections')).toHaveLength(4)
  connections = order.length
  order.length = connections - 1
  expect(arrive().outcome).toBe('admitted')
})

test('while more are arriving newcomers wait, but for a turn now and then', async () => {
  let crowding = true
  const { arrive, arriveTogether, order, settle } = createCrowd({ hold: () => crowding })
  expect(arrive().outcome).toBe('admitted') // the first of them
  for (let turn = 0; turn < 5; turn += 1) await nextTurn()
  arriveTogether(100)
  for (let turn = 0; turn < 20; turn += 1) await nextTurn()
  expect(order).toHaveLength(1)
  vi.advanceTimersByTime(1000)
  for (let turn = 0; turn < 20; turn += 1) await nextTurn()
  expect(order).toHaveLength(1 + Math.ceil(10 / COST_MS))
  crowding = false
  await settle()
  expect(order).toHaveLength(101)
})
