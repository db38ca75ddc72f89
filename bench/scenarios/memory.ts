import { setTimeout as sleep } from 'node:timers/promises'
import { bareWs, stock, stockIdle } from '../contenders/socket-io.ts'
import { processTree, residentBytes } from '../process-usage.ts'
import type { Scenario } from '../scenario.ts'
import { openStage, type Stage, usedBetween } from '../stage.ts'
import { inverse, median } from '../statistics.ts'

const VARIANT = '1 instance'
/** What the first connections load and compile is no part of what one of many costs. */
const WARM_UP = 500
const READ_EVERY_MS = 500

export const memory: Scenario = {
  name: 'memory',
  summary: 'what idle connections that have joined rooms cost: resident memory, and CPU',
  options: {
    connections: { default: '8000', description: 'connections that are measured' },
    rooms: { default: '400', description: 'rooms that they join' },
    // V8 gives back what arriving left behind, but not at once: 45 s were too short for some turns.
    settle: { default: '75', description: 'seconds of idleness before each reading' },
  },
  rivals: [stockIdle, stock, bareWs],
  metrics: [
    { name: 'perConnection', title: 'RSS per connection', unit: 'kB', better: 'lower', digits: 2 },
    { name: 'empty', title: 'RSS without any', unit: 'MB' },
    { name: 'full', title: 'RSS with all', unit: 'MB' },
    { name: 'idleCpu', title: 'CPU while idle', unit: 'cores', better: 'lower', digits: 4 },
    { name: 'connections', title: 'connections', unit: '', digits: 0 },
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
            sampleEvery: 0,
            bodyChars: 0,
          },
          rooms: Array.from({ length: settings.number('rooms') }, (_, index) => `room-${index}`),
          // The one with nothing on it answers no join either.
          ...{ roomsEach: contender === stockIdle ? 0 : 1, concurrency: 50 },
        }
        const settleMs = settings.number('settle') * 1000
        await members.openMembers({ ...request, count: WARM_UP })
        await members.closeMembers()
        await sleep(settleMs)
        const empty = await residentFor(stage, settings.seconds)
        const { opened, failed } = await members.openMembers({
          ...request,
          count: settings.number('connections'),
        })
        await sleep(settleMs)
        const before = stage.usage()
        const full = await residentFor(stage, settings.seconds)
        const used = usedBetween(before, stage.usage())
        const { closed } = await members.audit({}, {})
        return {
          figures: {
            perConnection: (full - empty) / opened / 1024,
            empty: empty / 2 ** 20,
            full: full / 2 ** 20,
            idleCpu: used.gatewayMicros / used.seconds / 1e6,
            connections: opened,
          },
          notes: [
            ...Object.entries(failed).map(([reason, each]) => `failed: ${reason} ${each}`),
            ...Object.entries(closed).map(([reason, each]) => `lost: ${reason} ${each}`),
          ],
        }
      },
    },
  ],
  claims: (results) => [
    {
      text: 'RSS per idle joined connection, Roomwire ÷ stock with nothing on it',
      measured: inverse(results.ratio(VARIANT, 'stock-idle', 'perConnection')?.ratio),
      atMost: 1,
      aim: 0.7,
    },
  ],
}

/** It goes up and down by a tenth, as pings leave garbage and V8 collects it: the median of a time. */
async function residentFor(stage: Stage, seconds: number): Promise<number> {
  const readings: number[] = []
  for (const until = performance.now() + seconds * 1000; performance.now() < until; ) {
    readings.push(resident(stage))
    await sleep(READ_EVERY_MS)
  }
  return median(readings) ?? resident(stage)
}

function resident({ instances }: Stage): number {
  return instances
    .flatMap(({ pid }) => processTree(pid))
    .reduce((sum, pid) => sum + (residentBytes(pid) ?? 0), 0)
}
