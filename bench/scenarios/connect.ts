import { setTimeout as sleep } from 'node:timers/promises'
import { bareWs, stock } from '../contenders/socket-io.ts'
import { quantileMs } from '../histogram.ts'
import type { Scenario } from '../scenario.ts'
import { openStage, usedBetween } from '../stage.ts'
import { inverse } from '../statistics.ts'

const VARIANT = '1 instance'
/** First connections pay for the compilation of what all of them run; a server runs for weeks. */
const WARM_UP = 2000

export const connect: Scenario = {
  name: 'connect',
  summary: 'CPU of a connection that is accepted and joins a room',
  options: {
    connections: { default: '3000', description: 'connections that are measured' },
    rooms: { default: '100', description: 'rooms that they join' },
    concurrency: { default: '50', description: 'connections that are on their way at once' },
  },
  rivals: [stock, bareWs],
  metrics: [
    { name: 'cpu', title: 'CPU per connection', unit: 'ms', better: 'lower', digits: 3 },
    { name: 'rate', title: 'accepted', unit: '/s', better: 'higher', digits: 0 },
    { name: 'p50', title: 'until joined p50', unit: 'ms' },
    { name: 'p99', title: 'until joined p99', unit: 'ms', better: 'lower' },
    { name: 'redis', title: 'Redis per connection', unit: 'µs', digits: 0 },
    { name: 'failed', title: 'failed', unit: '', digits: 0 },
    { name: 'loadCores', title: 'load', unit: 'cores', digits: 2 },
    { name: 'otherCores', title: 'others', unit: 'cores', digits: 2 },
  ],
  variants: (settings) => [
    {
      name: VARIANT,
      async turn(scope, contender) {
        const stage = await openStage(scope, contender, { instances: 1, aof: settings.aof })
        const { members } = stage
        const request = {
          ...{
            wire: contender.wire,
            targets: stage.targets,
            roomsEach: 1,
            sampleEvery: 0,
          },
          rooms: Array.from({ length: settings.number('rooms') }, (_, index) => `room-${index}`),
          ...{ concurrency: settings.number('concurrency'), bodyChars: 0 },
        }
        await members.openMembers({ ...request, count: WARM_UP })
        await members.closeMembers()
        await sleep(1000)
        const before = stage.usage()
        const count = settings.number('connections')
        const { opened, failed, took } = await members.openMembers({ ...request, count })
        const used = usedBetween(before, stage.usage())
        return {
          figures: {
            cpu: used.gatewayMicros / opened / 1000,
            rate: opened / used.seconds,
            p50: quantileMs(took, 0.5),
            p99: quantileMs(took, 0.99),
            redis: used.redisMicros / opened,
            failed: count - opened,
            loadCores: used.loadCores,
            otherCores: used.otherCores,
          },
          notes: Object.entries(failed).map(([reason, each]) => `failed: ${reason} ${each}`),
        }
      },
    },
  ],
  claims: (results) => [
    {
      text: 'CPU per accepted and joined connection, Roomwire ÷ stock',
      measured: inverse(results.ratio(VARIANT, 'stock', 'cpu')?.ratio),
      atMost: 1,
      aim: 0.7,
    },
  ],
}
