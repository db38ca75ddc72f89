import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createHistogram } from '../../bench/histogram.ts'
import { startLoad } from '../../bench/load/load.ts'
import { residentBytes } from '../../bench/process-usage.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startGateway } from '../support/gateway-process.ts'
import { readMetric } from '../support/metrics.ts'
import { startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'

export interface SlowClientsOptions {
  healthy: number
  stalled: number
  /** Messages per second, into the one room that everybody is in. */
  rate: number
  bodyChars: number
  /** Each phase; there are as many with as without stalled clients, in turn. */
  seconds: number
  warmUpSeconds: number
  phases: readonly ('stalled' | 'alone')[]
  /** How long a stalled client stays away from its socket, s. */
  stallSeconds: readonly [least: number, most: number]
}

/** Of the figures: those who do not read come back and lack nothing, the others notice nothing. */
export const NO_HARM = {
  pingTimeouts: 0,
  cameNotBack: 0,
  stalledProblems: 0,
  stalledWhole: true,
  healthyLost: 0,
  healthyRepeated: 0,
  healthyReordered: 0,
  healthyDrops: 0,
  processDeaths: 0,
}

const MIB = 1024 * 1024
const ROOM = 'slow clients'
/** As the gateway has it by default: PING_INTERVAL + PING_TIMEOUT. */
export const PING_TIMES_OUT_MS = 45_000

/** D8: members of a room that stop reading, beside members that read. */
export async function runSlowClients(scope: Scope, options: SlowClientsOptions) {
  const { healthy, rate, bodyChars, seconds } = options
  const redis = await startRedis(scope, { appendonly: 'everysec' })
  const gateway = await startGateway(scope, {
    env: { WEBSOCKET_REDIS_URL: redis.url() },
  })
  await gateway.ready()
  const { url, host, port, pid } = gateway
  const target = { host, port }
  const load = await startLoad(scope)
  const opened = await load.openMembers({
    ...{ wire: 'socket.io', targets: [target], rooms: [ROOM], count: healthy, roomsEach: 1 },
    ...{ concurrency: 20, sampleEvery: 1, bodyChars },
  })
  if (opened.opened < healthy) throw new Error(`failed to join: ${JSON.stringify(opened.failed)}`)
  await load.openSenders({
    ...{ wire: 'socket.io', groups: [{ target, rooms: [ROOM], count: 4 }], bodyChars },
  })

  const accepted: Record<string, number> = {}
  const uncertain: Record<string, number> = {}
  async function send(ms: number) {
    const sent = await load.sendPaced([{ rate, burstMs: 0 }], ms)
    for (const [sum, part] of [
      [accepted, sent.accepted],
      [uncertain, sent.uncertain],
    ] as const) {
      for (const [room, count] of Object.entries(part)) sum[room] = (sum[room] ?? 0) + count
    }
  }

  // The ring of recent messages, buffers and code warm up before anything is compared.
  await send(options.warmUpSeconds * 1000)
  await load.received()
  const before = residentBytes(pid) ?? 0
  const disconnected = (reason: string) => readMetric(url, 'roomwire_disconnects_total', { reason })

  const phases: object[] = []
  const p99: Record<'stalled' | 'alone', number[]> = { stalled: [], alone: [] }
  const growth: Record<'stalled' | 'alone', number[]> = { stalled: [], alone: [] }
  const visits: Visit[] = []
  const endings: Ending[] = []
  let firstCutMs = 0
  let allCutMs = 0
  for (const [index, kind] of options.phases.entries()) {
    const slowBefore = await disconnected('slow_client')
    const stalled =
      kind === 'stalled' ? await startStalled(scope, target, options, index) : undefined
    const began = performance.now()
    let peak = 0
    const watch = setInterval(() => {
      peak = Math.max(peak, residentBytes(pid) ?? 0)
    }, 200)
    // When the first and when as many as there are were cut off, in the first such phase.
    const cutting =
      stalled === undefined || allCutMs > 0
        ? Promise.resolve()
        : eventually(
            async () => {
              const cut = (await disconnected('slow_client')) - slowBefore
              if (cut > 0) firstCutMs ||= performance.now() - began
              if (cut >= options.stalled) allCutMs = performance.now() - began
              return allCutMs > 0
            },
            { what: 'every stalled client cut off', intervalMs: 250, timeoutMs: seconds * 1000 },
          ).catch(() => undefined)
    await send(seconds * 1000)
    await cutting
    clearInterval(watch)
    const reception = await load.received()
    const latency = createHistogram(reception.latency)
    const ms = (share: number) => Math.round((latency.quantile(share) ?? 0) / 1000)
    p99[kind].push(ms(0.99))
    growth[kind].push((peak - before) / MIB)
    phases.push({
      kind,
      deliveries: reception.deliveries,
      ...{ p50Ms: ms(0.5), p99Ms: ms(0.99), peakMiB: Math.round(peak / MIB) },
    })
    if (stalled !== undefined) {
      // No load any more: they come back a last time and have to be whole.
      endings.push(await stalled.end())
      visits.push(...stalled.visits)
    }
  }

  const reader = await connectClient(scope, url, { session: 'reader' })
  const tail = (await reader.ask('room:join', { room: ROOM, limit: 0 })).position
  const all = Object.values(accepted).reduce((sum, count) => sum + count, 0)
  await load.reached(all * healthy, 20_000)
  await sleep(200)
  const audit = await load.audit(accepted, uncertain)
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
  const backs = (back: Visit['back']) => visits.filter((visit) => visit.back === back).length
  return {
    ...{ healthy, stalled: options.stalled, rate, bodyChars, seconds },
    accepted: all,
    phases,
    p99Ratio: mean(p99.stalled) / Math.max(1, mean(p99.alone)),
    rssBeforeMiB: Math.round(before / MIB),
    growthStalledMiB: Math.round(Math.max(...growth.stalled)),
    growthAloneMiB: Math.round(Math.max(0, ...growth.alone)),
    slowClients: await disconnected('slow_client'),
    pingTimeouts: await disconnected('ping_timeout'),
    firstCutMs: Math.round(firstCutMs),
    allCutMs: Math.round(allCutMs),
    visits: visits.length,
    byesSeen: visits.filter(({ bye }) => bye === 'SLOW_CLIENT').length,
    cameBackRecovered: backs('recovered'),
    cameBackTold: backs('told'),
    cameNotBack: backs(null),
    /** Of those who had stalled: something followed what it does not continue, or is missing. */
    stalledProblems: endings.reduce((sum, { problemCount }) => sum + problemCount, 0),
    problems: endings.flatMap(({ problems }) => problems).slice(0, 5),
    /** After the end of each phase all of them stand where the room stood. */
    stalledWhole: endings.every(
      ({ positions }) => positions.length === 1 && positions[0]?.[0] === tail.epoch,
    ),
    healthyLost: audit.lost,
    healthyRepeated: audit.repeated,
    healthyReordered: audit.disordered + audit.offsetBreaks,
    healthyDrops: Object.values(audit.closed).reduce((sum, count) => sum + count, 0),
    processDeaths: gateway.running ? 0 : 1,
  }
}

/** One that came back to its socket: what ended the connection, and how it was taken back. */
interface Visit {
  visit: string
  bye: string | null
  drained: number
  back: 'recovered' | 'told' | 'new' | null
}

interface Ending {
  done: number
  positions: [epoch: string, offset: number][]
  problems: string[]
  problemCount: number
}

const script = fileURLToPath(new URL('stalled_clients.py', import.meta.url))
/** Clients of one process: it reads with one at a time. */
const SHARE = 125

async function startStalled(
  scope: Scope,
  { host, port }: { host: string; port: number },
  { stalled, stallSeconds }: SlowClientsOptions,
  seed: number,
) {
  const shares = Array.from({ length: Math.ceil(stalled / SHARE) }, (_, index) =>
    Math.min(SHARE, stalled - index * SHARE),
  )
  const visits: Visit[] = []
  const groups = shares.map((count, index) => {
    const args = [host, port, ROOM, count, ...stallSeconds, seed * 100 + index].map(String)
    const child = spawn('python3', [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
    scope.defer(() => child.kill('SIGKILL'))
    const facts = createInterface({ input: child.stdout })
    const wait = <T>(name: string) =>
      new Promise<T>((resolve, reject) => {
        facts.on('line', (line) => {
          const fact = JSON.parse(line) as Record<string, unknown>
          if (name in fact) resolve(fact as T)
        })
        child.once('exit', (code) => reject(new Error(`stalled clients ended (code ${code})`)))
      })
    facts.on('line', (line) => {
      const fact = JSON.parse(line) as Visit
      if ('visit' in fact) visits.push(fact)
    })
    const ended = wait<Ending>('done')
    ended.catch(() => undefined) // whoever waits for the end hears of it
    return { child, joined: wait('joined'), ended }
  })
  await Promise.all(groups.map(({ joined }) => joined))
  return {
    visits,
    async end(): Promise<Ending> {
      for (const { child } of groups) child.stdin.end('end\n')
      const endings = await Promise.all(groups.map(({ ended }) => ended))
      const positions = new Map(
        endings.flatMap((each) => each.positions).map((place) => [place.join(':'), place]),
      )
      return {
        done: endings.reduce((sum, { done }) => sum + done, 0),
        positions: [...positions.values()],
        problems: endings.flatMap(({ problems }) => problems),
        problemCount: endings.reduce((sum, { problemCount }) => sum + problemCount, 0),
      }
    },
  }
}
