import { nchan } from '../contenders/nchan.ts'
import { bareWs, stock, stockCaught, streams } from '../contenders/socket-io.ts'
import type { Claim, Results, Scenario, Settings } from '../scenario.ts'
import { openStage } from '../stage.ts'
import { conductFanout } from './fanout-turn.ts'

const BURST_MS = 10

export const fanout: Scenario = {
  name: 'fanout',
  summary: 'one room, durable sends against the rivals’ fire and forget',
  options: {
    demand: { default: '50000,200000,500000', description: 'deliveries per second' },
    pattern: { default: 'bursty,even', description: `bursty: every ${BURST_MS} ms; even: spaced` },
    instances: { default: '1,2', description: 'instances that share the room' },
    subscribers: { default: '500', description: 'connections in the room' },
    senders: { default: '10', description: 'connections that send' },
    body: { default: '100', description: 'bytes of a body, as JSON' },
    lazy: {
      default: '50',
      description: 'ms between two readings of a subscriber that only counts; 0: none waits',
    },
    // What runs 100 times a second takes V8 that long to compile; a server runs for weeks.
    warm: { default: '30', description: 'seconds before the measured window' },
    drain: { default: '10', description: 'seconds that stragglers are waited for' },
  },
  rivals: [stock, stockCaught, streams, nchan, bareWs],
  metrics: [
    { name: 'cpuPerDelivery', title: 'CPU', unit: 'µs', better: 'lower', digits: 2 },
    { name: 'p50', title: 'p50', unit: 'ms', better: 'lower' },
    { name: 'p99', title: 'p99', unit: 'ms', better: 'lower' },
    { name: 'rate', title: 'delivered', unit: '/s', digits: 0 },
    { name: 'deliveredShare', title: 'of offered', unit: '', digits: 4 },
    { name: 'lost', title: 'undelivered', unit: '', digits: 0 },
    { name: 'wrong', title: 'wrong', unit: '', digits: 0 },
    { name: 'errors', title: 'errors', unit: '', digits: 0 },
    { name: 'died', title: 'died', unit: '', digits: 0 },
    { name: 'ackP50', title: 'ack p50', unit: 'ms' },
    { name: 'ackP99', title: 'ack p99', unit: 'ms' },
    { name: 'gatewayCores', title: 'gateway', unit: 'cores', digits: 2 },
    { name: 'redisPerDelivery', title: 'Redis', unit: 'µs', digits: 3 },
    { name: 'sendLag', title: 'send lag p99', unit: 'ms' },
    { name: 'loadCores', title: 'load', unit: 'cores', digits: 2 },
    { name: 'otherCores', title: 'others', unit: 'cores', digits: 2 },
  ],
  variants: (settings) =>
    circumstances(settings).map(({ name, demand, burstMs, instances }) => ({
      name,
      async turn(scope, contender) {
        const { aof } = settings
        const stage = await openStage(scope, contender, { instances, aof, apart: true })
        return conductFanout(stage, contender, {
          demand,
          burstMs,
          subscribers: settings.number('subscribers'),
          bodyBytes: settings.number('body'),
          readEveryMs: settings.number('lazy'),
          senders: settings.number('senders'),
          warmSeconds: settings.number('warm'),
          seconds: settings.seconds,
          drainSeconds: settings.number('drain'),
        })
      },
    })),
  claims: (results, settings) =>
    circumstances(settings).flatMap(({ name, demand }) => claimsFor(results, name, demand)),
}

interface Circumstance {
  name: string
  demand: number
  burstMs: number
  instances: number
}

function circumstances(settings: Settings): Circumstance[] {
  const patterns = settings.text('pattern').split(',')
  const subscribers = settings.number('subscribers')
  return settings.numbers('instances').flatMap((instances) =>
    settings.numbers('demand').flatMap((demand) => {
      // A burst of one message is evenly spaced already; of several instances the bursts coincide.
      const same = instances === 1 && (demand / subscribers / 1000) * BURST_MS <= 1
      return (same ? patterns.slice(0, 1) : patterns).map((pattern) => ({
        name: `${demand}/s, ${same ? 'even' : pattern}, ${instances} instance${instances > 1 ? 's' : ''}`,
        demand,
        burstMs: pattern === 'bursty' ? BURST_MS : 0,
        instances,
      }))
    }),
  )
}

function claimsFor(results: Results, variant: string, demand: number): Claim[] {
  const ours = (metric: string) => results.summary(variant, 'roomwire', metric)?.max
  const over = (rival: string, metric: string) => results.ratio(variant, rival, metric)?.ratio
  const cpu = (rival: string, atLeast: number, aim?: number): Claim => ({
    text: `${variant}: CPU per delivery, ${rival} ÷ Roomwire`,
    measured: over(rival, 'cpuPerDelivery'),
    atLeast,
    ...(aim !== undefined && { aim }),
  })
  const late = (rival: string): Claim[] =>
    ['p50', 'p99'].map((metric) => ({
      text: `${variant}: ${metric}, ${rival} ÷ Roomwire`,
      measured: over(rival, metric),
      atLeast: 1,
    }))
  const whole: Claim[] = ['lost', 'wrong', 'died'].map((metric) => ({
    text: `${variant}: ${metric}, of Roomwire, in any turn`,
    measured: ours(metric),
    atMost: 0,
  }))
  if (demand <= 100_000) return [cpu('stock', 1.4, 1.6), ...late('stock'), ...whole]
  if (demand <= 300_000) return [cpu('stock-caught', 4, 6), ...late('stock-caught'), ...whole]
  return [cpu('nchan', 3), ...late('stock-caught'), ...whole]
}
