import { Histogram, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { createHistory } from '../../server/observability/history.ts'
import { createMetrics } from '../../server/observability/metrics.ts'
import {
  meanBetween,
  quantileBetween,
  readByLabel,
  readDistribution,
  readTotal,
} from '../../server/observability/readings.ts'
import { createStormWatch } from '../../server/observability/storms.ts'

test('the history keeps its last samples, and null where there was nothing (D8)', () => {
  const history = createHistory(['a', 'b'], 3)
  expect(history.latest).toEqual({ a: null, b: null })
  for (const at of [1, 2, 3, 4, 5]) history.add(at, { a: at / 7, b: at === 4 ? null : -at })
  expect(history.since(0)).toEqual({
    times: [3, 4, 5],
    series: { a: [0.429, 0.571, 0.714], b: [-3, null, -5] },
  })
  expect(history.since(4).times).toEqual([5])
  expect(history.since(5)).toEqual({ times: [], series: { a: [], b: [] } })
  expect(history.latest).toEqual({ a: 5 / 7, b: -5 })
})

test('quantiles and means are of what came between two readings', async () => {
  const histogram = new Histogram({
    name: 'h',
    help: 'h',
    buckets: [1, 2, 4],
    labelNames: ['role'],
    registers: [new Registry()],
  })
  const read = () => readDistribution(histogram, { role: 'x' })
  const nothing = await read()
  expect(quantileBetween(undefined, nothing, 0.5)).toBeNull()
  histogram.observe({ role: 'x' }, 100)
  histogram.observe({ role: 'y' }, 100)
  const before = await read()
  expect(quantileBetween(nothing, before, 0.5)).toBe(4) // beyond the last bound: that bound
  expect(quantileBetween(before, before, 0.5)).toBeNull()
  expect(meanBetween(before, before)).toBeNull()

  for (const value of [0.5, 1.5, 1.5, 3]) histogram.observe({ role: 'x' }, value)
  const after = await read()
  expect(quantileBetween(before, after, 0.25)).toBe(1)
  expect(quantileBetween(before, after, 0.5)).toBe(1.5)
  expect(quantileBetween(before, after, 1)).toBe(4)
  expect(meanBetween(before, after)).toBe(1.625)
})

test('counters are read by label and in all', async () => {
  const { reconnections } = createMetrics()
  expect(await readTotal(reconnections)).toBe(0)
  reconnections.inc({ cause: 'drain', instance: 'same' }, 2)
  reconnections.inc({ cause: 'drain', instance: 'other' }, 3)
  reconnections.inc({ cause: 'unknown', instance: 'other' }, 4)
  expect(await readTotal(reconnections)).toBe(9)
  expect(await readTotal(reconnections, { instance: 'other' })).toBe(7)
  expect(await readByLabel(reconnections, 'cause')).toEqual(
    new Map([
      ['drain', 5],
      ['unknown', 4],
    ]),
  )
})

test('a reconnect storm is told of once, followed, and ended', () => {
  const said: string[] = []
  const storms = createStormWatch({
    stormBegan(cause) {
      said.push(`began: ${cause}`)
      return (total) => void said.push(`${total}`)
    },
    stormEnded: (total, seconds) => void said.push(`ended: ${total} in ${seconds} s`),
  })
  const second = (count: number, connections = 100, cause = 'unknown') =>
    storms.second(new Map([[cause, count]]), connections)
  for (let index = 0; index < 10; index++) second(3, 100, 'ping_timeout')
  expect(said).toEqual([])
  second(40)
  second(30)
  expect(said).toEqual(['began: unknown', '52', '82'])
  for (let index = 0; index < 6; index++) second(0)
  expect(said.at(-1)).toBe('ended: 82 in 11 s')
  expect(said.filter((line) => line.startsWith('ended'))).toHaveLength(1)

  said.length = 0
  second(20, 10_000) // of ten thousand that is nothing
  expect(said).toEqual([])
})
