import { createHistogram } from 'node:perf_hooks'
import { Gauge, type Registry } from 'prom-client'
import { everyTick, TICK_MS } from '../ticks.ts'

/** How late the event loop gets round to what is due, ms. */
export interface LoopDelay {
  mean: number
  p99: number
  max: number
}

/**
 * Measures it on the ticks that there are anyway. A monitor of perf_hooks has a timer of its own:
 * prom-client's and ours woke an idle process 150 times a second, a third of what it used.
 */
export interface LoopDelayMeter {
  start(): void
  /** Of what was measured since the last call. */
  read(): LoopDelay
  stop(): void
}

const NAME = 'roomwire_nodejs_eventloop_lag'
const NS_PER_MS = 1e6
const NS_PER_SECOND = 1e9

/** @param registry gets metrics with prom-client's names; each scrape tells of the time since the last */
export function createLoopDelayMeter(registry: Registry): LoopDelayMeter {
  const sinceRead = createHistogram()
  const sinceScrape = createHistogram()
  let lastNs = 0
  let stopTicks: (() => void) | undefined

  // First, so that it sets the others before they are read.
  new Gauge({
    name: `${NAME}_seconds`,
    help: 'Delay of the event loop’s last tick.',
    registers: [registry],
    collect() {
      const { count } = sinceScrape
      this.set(lastNs / NS_PER_SECOND)
      for (const { gauge, read } of figures) gauge.set(count === 0 ? 0 : read() / NS_PER_SECOND)
      sinceScrape.reset()
    },
  })
  const gauge = (suffix: string, help: string) =>
    new Gauge({ name: `${NAME}${suffix}_seconds`, help, registers: [registry] })
  const figures = [
    { gauge: gauge('_min', 'The least delay of a tick.'), read: () => sinceScrape.min },
    { gauge: gauge('_max', 'The greatest delay of a tick.'), read: () => sinceScrape.max },
    { gauge: gauge('_mean', 'The mean delay of a tick.'), read: () => sinceScrape.mean },
    { gauge: gauge('_stddev', 'Their standard deviation.'), read: () => sinceScrape.stddev },
    ...[50, 90, 99].map((percent) => ({
      gauge: gauge(`_p${percent}`, `Their ${percent}th percentile.`),
      read: () => sinceScrape.percentile(percent),
    })),
  ]

  return {
    start() {
      stopTicks = everyTick((elapsedMs) => {
        lastNs = Math.max(1, Math.round((elapsedMs - TICK_MS) * NS_PER_MS)) // a histogram holds no 0
        sinceRead.record(lastNs)
        sinceScrape.record(lastNs)
      })
    },
    read() {
      const inMs = (ns: number) => (sinceRead.count === 0 ? 0 : ns / NS_PER_MS)
      const delay = {
        mean: inMs(sinceRead.mean),
        p99: inMs(sinceRead.percentile(99)),
        max: inMs(sinceRead.max),
      }
      sinceRead.reset()
      return delay
    },
    stop: () => stopTicks?.(),
  }
}
