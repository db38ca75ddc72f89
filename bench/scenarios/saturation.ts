import type { Scope } from '../../tests/support/scope.ts'
import { stock, stockCaught } from '../contenders/socket-io.ts'
import { watchHealth } from '../health-watch.ts'
import { processTree, residentBytes } from '../process-usage.ts'
import type { Scenario } from '../scenario.ts'
import { openStage, type Stage } from '../stage.ts'
import { median } from '../statistics.ts'
import { conductFanout } from './fanout-turn.ts'

const VARIANT = '1 instance'
const HEALTH_LIMIT_MS = 5000

export const saturation: Scenario = {
  name: 'saturation',
  summary: 'a quarter of an hour of more than one instance can do',
  options: {
    turns: { default: '1', description: 'turns of each contender' },
    seconds: { default: '900', description: 'length of the measured window' },
    demand: { default: '1500000', description: 'deliveries per second' },
    subscribers: { default: '500', description: 'connections in the room' },
  },
  rivals: [stock, stockCaught],
  metrics: [
    { name: 'cpuPerDelivery', title: 'CPU', unit: 'µs', better: 'lower', digits: 2 },
    { name: 'p99', title: 'p99', unit: 'ms', better: 'lower', digits: 0 },
    { name: 'rate', title: 'delivered', unit: '/s', digits: 0 },
    { name: 'deliveredShare', title: 'of offered', unit: '', digits: 4 },
    { name: 'rssEarly', title: 'RSS, first tenth', unit: 'MB', digits: 0 },
    { name: 'rssLate', title: 'RSS, last tenth', unit: 'MB', digits: 0 },
    { name: 'rssGrowth', title: 'RSS, last ÷ first', unit: '', digits: 2 },
    { name: 'rssMost', title: 'RSS, most', unit: 'MB', digits: 0 },
    { name: 'unhandled', title: 'unhandled rejections', unit: '', digits: 0 },
    { name: 'healthSlowest', title: 'slowest health answer', unit: 'ms', digits: 0 },
    { name: 'healthFailed', title: 'health not answered', unit: '', digits: 0 },
    { name: 'wrong', title: 'wrong', unit: '', digits: 0 },
    { name: 'errors', title: 'errors', unit: '', digits: 0 },
    { name: 'died', title: 'died', unit: '', digits: 0 },
    { name: 'diedAfter', title: 'died after', unit: 's', digits: 0 },
    { name: 'otherCores', title: 'others', unit: 'cores', digits: 2 },
  ],
  variants: (settings) => [
    {
      name: VARIANT,
      async turn(scope, contender) {
        const stage = await openStage(scope, contender, { instances: 1, aof: settings.aof })
        const health = watchHealth(scope, stage.instances, {
          everyMs: 500,
          limitMs: HEALTH_LIMIT_MS,
        })
        const watched = watchMemory(scope, stage)
        const sample = await conductFanout(stage, contender, {
          demand: settings.number('demand'),
          subscribers: settings.number('subscribers'),
          seconds: settings.seconds,
          ...{ burstMs: 10, readEveryMs: 50, bodyBytes: 100, senders: 10 },
          ...{ warmSeconds: 5, drainSeconds: 30 },
        })
        const { rss, diedAfter } = watched()
        const tenth = Math.max(1, Math.floor(rss.length / 10))
        const early = median(rss.slice(0, tenth))
        const late = median(rss.slice(-tenth))
        const { slowest, failed } = health()
        return {
          ...sample,
          figures: {
            ...sample.figures,
            rssEarly: early,
            rssLate: late,
            rssGrowth: early === undefined || late === undefined ? undefined : late / early,
            rssMost: rss.length > 0 ? Math.max(...rss) : undefined,
            unhandled: await unhandledErrors(stage),
            healthSlowest: slowest,
            healthFailed: failed,
            diedAfter,
          },
          detail: { ...sample.detail, rss },
        }
      },
    },
  ],
  claims: (results) => {
    const most = (metric: string) => results.summary(VARIANT, 'roomwire', metric)?.max
    return [
      { text: 'RSS in the last tenth ÷ in the first', measured: most('rssGrowth'), atMost: 1.1 },
      { text: 'unhandled rejections', measured: most('unhandled'), atMost: 0 },
      { text: 'health not answered within 5 s', measured: most('healthFailed'), atMost: 0 },
      { text: 'processes that died', measured: most('died'), atMost: 0 },
    ]
  },
}

/** MB once a second, while it lives; and when it ceased to. */
function watchMemory(scope: Scope, { instances }: Stage) {
  const started = performance.now()
  const rss: number[] = []
  let diedAfter: number | undefined
  const timer = setInterval(() => {
    const seconds = (performance.now() - started) / 1000
    if (instances.some(({ running }) => !running)) diedAfter ??= seconds
    const pids = instances.flatMap(({ pid }) => processTree(pid))
    const bytes = pids.reduce((sum, pid) => sum + (residentBytes(pid) ?? 0), 0)
    if (bytes > 0) rss.push(bytes / 2 ** 20)
  }, 1000)
  scope.defer(() => clearInterval(timer))
  return () => {
    clearInterval(timer)
    return { rss, diedAfter }
  }
}

/** Of the gateway's own count; a rival that lets one go unhandled dies of it. */
async function unhandledErrors({ instances }: Stage): Promise<number | undefined> {
  let sum: number | undefined
  for (const { host, port } of instances) {
    const text = await fetch(`http://${host}:${port}/metrics`).then(
      (response) => response.text(),
      () => '',
    )
    const count = /^roomwire_unhandled_errors_total(?:\{.*\})? (\d+)/m.exec(text)?.[1]
    if (count !== undefined) sum = (sum ?? 0) + Number(count)
  }
  return sum
}
