import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createCrowd } from '../chaos/crowd.ts'
import { runFault, type Stage } from '../chaos/faults.ts'
import type { Store } from '../chaos/final-read.ts'
import type { HistoryEvent } from '../chaos/history.ts'
import { createRandom } from '../chaos/random.ts'
import type { RecordingClient } from '../chaos/recording-client.ts'
import { until } from '../chaos/round.ts'
import type { FaultKind } from '../chaos/schedule.ts'
import { type System, startSystem } from '../chaos/system.ts'
import { startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { findAffected } from './affected.ts'
import { faultsOf, startRecording } from './recording.ts'
import { startReplicated } from './replication.ts'
import { startSteadyCrowd } from './steady-crowd.ts'

/** How Redis loses what it had acknowledged. */
export type Loss = 'flush' | 'older-aof' | 'older-dump' | 'regrown' | 'lagging-replica'

export interface LossOptions {
  loss: Loss
  /** Load before and after, each. */
  seconds: number
  clients: number
  /** Clients that are away while it happens, and come back with the position they had. */
  away: number
  rooms: number
  /** Messages per second. */
  rate: number
}

/** A system, and what takes its data away; resolves with where the rooms are from then on. */
interface Scene {
  system: System
  lose(stage: Stage): Promise<Store>
}

const PATIENCE_MS = 30_000
/** How much of the past goes, where that can be chosen. */
const LOST_MS = 800
const IDLE_CHECKS_MS = 80_000

/** D6: everybody who saw what is gone is told; from the view of clients, and of the log in Redis. */
export async function runLoss(scope: Scope, options: LossOptions) {
  const { loss, seconds, clients, rate } = options
  const { system, lose } = await scenes[loss](scope)
  const rooms = Array.from({ length: options.rooms }, (_, index) => `${loss}-${index}`)
  const recording = startRecording()
  const { record, tails, events } = recording
  const crowd = createCrowd({
    ...{ url: system.url, tag: loss, clients, rooms, rate, record },
    random: createRandom(3),
    dialect: 'roomwire',
  })
  scope.defer(crowd.close)
  const [host, port] = system.balancer.url.replace('http://', '').split(':')
  const road = await startTcpProxy(scope, { target: { host: host ?? '', port: Number(port) } })
  const away = await startSteadyCrowd({
    ...{ url: `http://127.0.0.1:${road.port}`, tag: `${loss}-away`, clients: options.away },
    ...{ rooms, roomsEach: 2, record },
  })
  scope.defer(away.close)
  await until(() => crowd.whole(tails), PATIENCE_MS)

  crowd.start()
  crowd.whisper(seconds * 1000)
  await sleep(seconds * 1000)
  await road.cut()
  await sleep(LOST_MS)
  const store = await lose({ system, crowd, rooms, record })
  const lostAt = Date.now()
  await sleep(seconds * 500)
  await road.heal()
  await sleep(seconds * 500)
  crowd.quieten()
  await until(() => crowd.calm && away.whole(new Map()), PATIENCE_MS)
  const everybody = [...crowd.clients, ...away.clients]
  // No connection was interrupted: a quiet room has its turn within about a minute (D4).
  if (loss === 'flush') await until(() => toldSince(events, lostAt, everybody), IDLE_CHECKS_MS)
  const report = await recording.verdict({ store, rooms, clients: everybody }, true)
  const affected = findAffected(events, lostAt)
  return {
    loss,
    sent: report.sent,
    acked: report.acked,
    delivered: report.delivered,
    ackedLost: report.rolledBack,
    affected: affected.views,
    told: affected.told,
    silent: affected.silent,
    slowestToldMs: affected.slowestMs,
    resets: events.filter(({ type }) => type === 'reset').length,
    notRecovered: events.filter(
      (fact) => fact.type === 'joined' && fact.since !== undefined && !fact.recovered,
    ).length,
    processDeaths: system.deaths,
    problems: system.problems,
    ...faultsOf(report),
  }
}

/** Whether everybody was told, of each of his rooms, that it begins anew. */
function toldSince(
  events: readonly HistoryEvent[],
  since: number,
  clients: readonly RecordingClient[],
): boolean {
  const told = new Set<string>()
  for (const fact of events) {
    const isReset = fact.type === 'reset' || (fact.type === 'joined' && !fact.recovered)
    if (isReset && fact.t >= since) told.add(`${fact.client} ${fact.room}`)
  }
  return clients.every(({ id, rooms }) => rooms.every((room) => told.has(`${id} ${room}`)))
}

/** A fault of the chaos runner. */
function chaosFault(kind: FaultKind): (scope: Scope) => Promise<Scene> {
  return async (scope) => {
    const system = await startSystem(scope, { contender: 'roomwire', instances: 3 })
    return {
      system,
      async lose(stage) {
        const planned = { kind, at: 0, lastsMs: 300, instance: -1, salt: 4 }
        if (!(await runFault(stage, planned))) throw new Error(`${kind} took nothing away`)
        return system
      },
    }
  }
}

const scenes: Record<Loss, (scope: Scope) => Promise<Scene>> = {
  flush: chaosFault('redis-flush'),
  'older-aof': chaosFault('redis-restore'),
  // Through an instance that has nobody in the room, to where it was and past it.
  regrown: chaosFault('redis-truncate'),
  async 'older-dump'(scope) {
    const redis = await startRedis(scope, { requirepass: 'dump' })
    const system = await startSystem(scope, { contender: 'roomwire', instances: 3, redis })
    return {
      system,
      async lose() {
        await redis.cli('SAVE')
        const dump = join(redis.dir, 'dump.rdb')
        await cp(dump, `${dump}.older`)
        await sleep(LOST_MS)
        await redis.kill()
        await cp(`${dump}.older`, dump)
        await redis.start()
        return system
      },
    }
  },
  async 'lagging-replica'(scope) {
    const { system, line, failOver } = await startReplicated(scope, {})
    return {
      system,
      async lose() {
        line.stall()
        await sleep(LOST_MS)
        return failOver()
      },
    }
  },
}
