import { Registry } from 'prom-client'
import { expect, it } from 'vitest'
import { createLoopDelayMeter } from '../../server/observability/loop-delay.ts'
import { createMetrics } from '../../server/observability/metrics.ts'
import { TICK_MS } from '../../server/ticks.ts'

const BLOCKED_MS = 3 * TICK_MS

function block(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

const ticks = (count: number) => new Promise((resolve) => setTimeout(resolve, count * TICK_MS + 50))

it('a blocked event loop is measured, once for each reader', async () => {
  const registry = new Registry()
  const meter = createLoopDelayMeter(registry)
  const lagMax = async () => {
    const metric = registry.getSingleMetric('roomwire_nodejs_eventloop_lag_max_seconds')
    return (await metric?.get())?.values[0]?.value
  }
  expect(meter.read()).toEqual({ mean: 0, p99: 0, max: 0 })
  meter.start()
  try {
    await ticks(1)
    block(BLOCKED_MS)
    await ticks(2)
    const { mean, p99, max } = meter.read()
    expect(max).toBeGreaterThan(BLOCKED_MS - TICK_MS - 50)
    expect(p99).toBeGreaterThanOrEqual(mean)
    expect(meter.read()).toEqual({ mean: 0, p99: 0, max: 0 })
    await registry.metrics()
    expect(await lagMax()).toBeCloseTo(max / 1000, 6)
    await registry.metrics()
    expect(await lagMax()).toBe(0)
  } finally {
    meter.stop()
  }
})

it('the event loop’s delay has one metric of each name', async () => {
  const text = await createMetrics().registry.metrics()
  const names = text.match(/^# TYPE roomwire_nodejs_eventloop_lag\S*/gm) ?? []
  expect(names.toSorted()).toEqual(
    ['_max', '_mean', '_min', '_p50', '_p90', '_p99', '', '_stddev'].map(
      (suffix) => `# TYPE roomwire_nodejs_eventloop_lag${suffix}_seconds`,
    ),
  )
})
