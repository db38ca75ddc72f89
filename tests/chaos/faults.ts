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
  'redis-cut': async (stage, planned) => {
    const links = linksOf(stage, planned)
    const open = links.reduce((sum, { connections }) => sum + connections, 0)
    await Promise.all(links.map((link) => link.cut()))
    await sleep(planned.lastsMs)
    await Promise.all(links.map((link) => link.heal()))
    return open > 0
  },
  'redis-stall': async (stage, planned) => {
    const links = linksOf(stage, planned)
    for (const link of links) link.stall()
    await sleep(planned.lastsMs)
    await Promise.all(links.map((link) => link.heal()))
    return true
  },
  'redis-slow': async (stage, planned) => {
    const links = linksOf(stage, planned)
    const ms = createRandom(planned.salt).int(10, 80)
    for (const link of links) link.slow({ ms })
    await sleep(planned.lastsMs)
    for (const link of links) link.slow({ ms: 0 })
    return true
  },
  // Over and over, some of them each time: appends go on while one instance or another hears nothing.
  'pubsub-kill': async ({ system: { store } }, { lastsMs, salt }) => {
    const random = createRandom(salt)
    const redis = random.pick(await store.primaries())
    let killed = 0
    for (const end = Date.now() + lastsMs; Date.now() < end; await sleep(100)) {
      const listed = await redis.cli('CLIENT', 'LIST', 'TYPE', 'pubsub')
      const ids = [...listed.matchAll(/^id=(\d+)/gm)].map(([, id]) => id ?? '')
      for (const id of ids.filter(() => random.chance(0.4))) {
        killed += Number(await redis.cli('CLIENT', 'KILL', 'ID', id))
      }
    }
    return killed > 0
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
  'cluster-fail-over': ({ system: { store } }, { salt }) =>
    store.alone(async () => {
      await store.failOver(createRandom(salt))
      await store.whole()
      return true
    }),
  // Of the rooms that are talked in, and back and forth.
  'slot-move': async ({ system: { store, prefix }, rooms }, { lastsMs, salt }) => {
    const random = createRandom(salt)
    for (const end = Date.now() + lastsMs; Date.now() < end; ) {
      const room = random.pick(rooms)
      const key = random.chance(0.8) ? room : `${prefix}:io#/#${room}#`
      await store.alone(() => store.moveSlots([key], random))
    }
    return true
  },
  'primary-kill': ({ system: { store } }, { lastsMs, salt }) =>
    store.alone(async () => {
      const primary = createRandom(salt).pick(await store.primaries())
      await primary.kill()
      await store.replaced(primary)
      await sleep(lastsMs)
      await primary.start()
      await store.whole()
      return true
    }),
  'primary-freeze': ({ system: { store } }, { lastsMs, salt }) =>
    store.alone(async () => {
      const primary = createRandom(salt).pick(await store.primaries())
      store.freeze(primary)
      await store.replaced(primary)
      await sleep(lastsMs)
      store.thaw(primary)
      await store.whole()
      return true
    }),
  'sentinel-fail-over': ({ system: { store } }, { salt }) =>
    store.alone(async () => {
      await store.failOver(createRandom(salt))
      await store.whole()
      return true
    }),
  // Before any instance with members can look, the rooms grow again: to where they were, or past it.
  'redis-truncate': async ({ system, rooms, record }, { lastsMs, salt }) => {
    const { redis, links } = system
    const random = createRandom(salt)
    await Promise.all(links.map((link) => link.cut()))
    const before = await tailsOf(system, rooms)
    await redis.kill()
    const cut = await cutTail(join(redis.dir, 'appendonlydir'), random.int(20, 80) * 1024)
    await redis.start()
    const after = await tailsOf(system, rooms)
    const counts = rooms.map((_, index) => {
      const lost = (before[index] ?? 0) - (after[index] ?? 0)
      return Math.max(0, lost) + random.pick([0, 1, 40])
    })
    await appendAside(system, rooms, counts, record)
    await sleep(lastsMs)
    await Promise.all(links.map((link) => link.heal()))
    return cut && before.some((tail, index) => tail > (after[index] ?? 0))
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

/** The ways to Redis that a fault is about. */
function linksOf({ system }: Stage, { instance }: PlannedFault): System['links'] {
  return instance < 0 ? system.links : system.links.filter((_, index) => index === instance)
}

/** How many connections Redis has closed for their output, by its own log. */
function overflows(log: readonly string[]): number {
  return log.filter((line) => line.includes('overcoming of output buffer limits')).length
}

/** The offset of each room's last entry, from Redis itself. */
function tailsOf({ redis, prefix }: System, rooms: readonly string[]): Promise<number[]> {
  return Promise.all(
    rooms.map(async (room) => {
      const last = await redis.cli('XREVRANGE', `${prefix}:{${room}}:log`, '+', '-', 'COUNT', '1')
      return Number(/^(\d+)-/.exec(last)?.[1] ?? 0)
    }),
  )
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
