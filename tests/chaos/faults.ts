import { cp, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { appendAside } from './aside.ts'
import type { Crowd } from './crowd.ts'
import type { Fact } from './history.ts'
import { createRandom } from './random.ts'
import type { FaultKind, PlannedFault } from './schedule.ts'
import type { System } from './system.ts'

/** What a fault works on. */
export interface Stage {
  system: System
  crowd: Crowd
  rooms: readonly string[]
  record(fact: Fact): void
}

/** Resolves when the fault is over, with whether it really happened. */
type Fault = (stage: Stage, planned: PlannedFault) => Promise<boolean>

/** How much of the past `redis-restore` takes away, in ms. */
const OLD_MS = 800
const DEFAULT_PUBSUB_LIMIT = 'pubsub 33554432 8388608 60'

const faults: Record<FaultKind, Fault> = {
  'instance-kill': async (stage, planned) => {
    const instance = instanceOf(stage, planned)
    await instance.kill()
    await sleep(planned.lastsMs)
    await instance.start()
    return true
  },
  'instance-freeze': async (stage, planned) => {
    const instance = instanceOf(stage, planned)
    instance.freeze()
    await sleep(planned.lastsMs)
    instance.thaw()
    return instance.running
  },
  'instance-stop': async (stage, planned) => {
    const instance = instanceOf(stage, planned)
    await instance.stop()
    await sleep(planned.lastsMs)
    await instance.start()
    return true
  },
  'redis-kill': async ({ system: { redis } }, { lastsMs }) => {
    await redis.kill()
    await sleep(lastsMs)
    await redis.start()
    return true
  },
  'redis-freeze': async ({ system: { redis } }, { lastsMs }) => {
    redis.pause()
    await sleep(lastsMs)
    redis.resume()
    return true
  },
  'redis-cut': async ({ system: { link } }, { lastsMs }) => {
    const cut = link.connections > 0
    await link.cut()
    await sleep(lastsMs)
    await link.heal()
    return cut
  },
  'redis-stall': async ({ system: { link } }, { lastsMs }) => {
    link.stall()
    await sleep(lastsMs)
    await link.heal()
    return true
  },
  'redis-slow': async ({ system: { link } }, { lastsMs, salt }) => {
    link.slow({ ms: createRandom(salt).int(10, 80) })
    await sleep(lastsMs)
    link.slow({ ms: 0 })
    return true
  },
  'pubsub-kill': async ({ system: { redis } }) => {
    return Number(await redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')) > 0
  },
  'pubsub-limit': async ({ system: { redis }, crowd }, { lastsMs }) => {
    const before = overflows(redis.log)
    await redis.cli('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 1 1 1')
    // Frames beyond the 16 kB that every connection has for replies go to the list that is limited.
    for (const end = Date.now() + lastsMs; Date.now() < end; await sleep(200)) crowd.burst(4000)
    await redis.cli('CONFIG', 'SET', 'client-output-buffer-limit', DEFAULT_PUBSUB_LIMIT)
    return overflows(redis.log) > before
  },
  'client-drop': async ({ crowd }, { salt }) => crowd.drop(createRandom(salt)) > 0,
  'client-stall': async ({ crowd }, { salt, lastsMs }) => {
    const { count, release } = crowd.stall(createRandom(salt))
    await sleep(lastsMs)
    release()
    return count > 0
  },
  'redis-flush': async ({ system: { redis } }) => (await redis.cli('FLUSHALL')) === 'OK',
  'redis-restore': async ({ system: { redis } }, { lastsMs }) => {
    const files = join(redis.dir, 'appendonlydir')
    const copy = join(redis.dir, 'older')
    await cp(files, copy, { recursive: true })
    await sleep(OLD_MS)
    await redis.kill()
    await rm(files, { recursive: true })
    await cp(copy, files, { recursive: true })
    await rm(copy, { recursive: true })
    await sleep(lastsMs)
    await redis.start()
    return true
  },
  // The rooms grow past what was lost before any instance with members can look.
  'redis-truncate': async (stage, { lastsMs, salt }) => {
    const { redis, link } = stage.system
    await link.cut()
    await redis.kill()
    const cut = await cutTail(
      join(redis.dir, 'appendonlydir'),
      createRandom(salt).int(20, 80) * 1024,
    )
    await redis.start()
    await appendAside(stage)
    await sleep(lastsMs)
    await link.heal()
    return cut
  },
}

/** Runs one fault, with its begin and end in the history. */
export async function runFault(stage: Stage, planned: PlannedFault): Promise<boolean> {
  const { kind } = planned
  const target = planned.instance < 0 ? '' : instanceOf(stage, planned).name
  stage.record({ type: 'fault', kind, target, phase: 'begin' })
  try {
    return await faults[kind](stage, planned)
  } finally {
    stage.record({ type: 'fault', kind, target, phase: 'end' })
  }
}

function instanceOf({ system }: Stage, { instance }: PlannedFault): System['instances'][number] {
  const found = system.instances[instance]
  if (found === undefined) throw new Error(`no instance ${instance}`)
  return found
}

/** How many connections Redis has closed for their output, by its own log. */
function overflows(log: readonly string[]): number {
  return log.filter((line) => line.includes('overcoming of output buffer limits')).length
}

/** Takes bytes off the end of the append-only file, as a disk that lied would. */
async function cutTail(dir: string, bytes: number): Promise<boolean> {
  const names = (await readdir(dir)).filter((name) => name.endsWith('.incr.aof')).sort()
  const newest = names.at(-1)
  if (newest === undefined) return false
  const file = await open(join(dir, newest), 'r+')
  try {
    const { size } = await file.stat()
    await file.truncate(Math.max(0, size - bytes))
    return size > bytes
  } finally {
    await file.close()
  }
}
