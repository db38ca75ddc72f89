import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { createOverload, type Overload } from '../../server/edge/overload.ts'
import { createLogger } from '../../server/observability/logger.ts'
import { createMetrics } from '../../server/observability/metrics.ts'
import { createOverloadEvents } from '../../server/observability/overload-events.ts'

beforeEach(
  () => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance', 'Date'] }),
)
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** An instance whose turns of the event loop take as long as it is told. */
function createInstance() {
  const levels: number[] = []
  let volatile = 0
  let late = 0
  const onTime = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => onTime() + late)
  const overload: Overload = createOverload({
    overload: (level) => void levels.push(level),
    shedVolatile: () => {
      volatile += 1
    },
  })
  onTestFinished(overload.stop)
  return {
    overload,
    levels,
    shed: () => volatile,
    /** So many samples, each late by so much. */
    turnsOf(ms: number, samples = 40) {
      for (let index = 0; index < samples; index += 1) {
        late += ms
        vi.advanceTimersByTime(100)
      }
    },
  }
}

test('load is shed in order: volatile events, slow clients, newcomers; and taken back in reverse', () => {
  const { overload, levels, turnsOf } = createInstance()
  for (const ms of [50, 200, 450, 900]) turnsOf(ms)
  expect(levels).toEqual([1, 2, 3])
  turnsOf(0, 100)
  expect(levels).toEqual([1, 2, 3, 2, 1, 0])
  expect(overload.level).toBe(0)
  overload.stop()
})

test('volatile events are dropped and counted only while overloaded', () => {
  const { overload, shed, turnsOf } = createInstance()
  expect(overload.shedsVolatile()).toBe(false)
  turnsOf(200)
  expect(overload.shedsVolatile()).toBe(true)
  expect(shed()).toBe(1)
  turnsOf(0)
  expect(overload.shedsVolatile()).toBe(false)
  expect(shed()).toBe(1)
})

test('a level does not flicker around its threshold', () => {
  const { levels, turnsOf } = createInstance()
  turnsOf(160)
  for (let index = 0; index < 10; index += 1) {
    turnsOf(120, 10)
    turnsOf(170, 10)
  }
  expect(levels).toEqual([1])
})

test('one long turn is not overload', () => {
  const { levels, turnsOf } = createInstance()
  turnsOf(250, 1)
  turnsOf(0)
  expect(levels).toEqual([])
})

test('an episode is one line at its beginning and one at its end, with what was given up', async () => {
  const lines: Record<string, unknown>[] = []
  const logger = createLogger(
    { level: 'info', instance: 'one' },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  )
  const metrics = createMetrics()
  const events = createOverloadEvents({ logger, metrics })
  for (const level of [1, 2, 3]) events.overload(level, level * 200)
  for (let index = 0; index < 3; index += 1) events.shedVolatile()
  for (const level of [2, 1, 0]) events.overload(level, 100)
  expect(lines.map(({ msg }) => msg)).toEqual([
    'overloaded: volatile events are dropped first',
    'no longer overloaded',
  ])
  expect(lines[1]).toMatchObject({ level: 3, volatile: 3, refused: 0 })
  expect(await metrics.registry.metrics()).toContain('roomwire_shed_total{what="volatile"} 3')
})

test('refusals are one line a crowd, and a metric each', async () => {
  const lines: Record<string, unknown>[] = []
  const logger = createLogger(
    { level: 'info', instance: 'one' },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  )
  const metrics = createMetrics()
  const events = createOverloadEvents({ logger, metrics })
  for (let index = 0; index < 100; index += 1) events.connectRefused('queue')
  vi.advanceTimersByTime(60_000)
  events.connectRefused('queue')
  expect(lines).toHaveLength(2)
  expect(await metrics.registry.metrics()).toContain(
    'roomwire_connects_refused_total{reason="queue"} 101',
  )
})
