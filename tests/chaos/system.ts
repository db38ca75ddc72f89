import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Child, startChild } from '../support/child.ts'
import { freePort } from '../support/free-port.ts'
import { startGateway } from '../support/gateway-process.ts'
import { type Haproxy, startHaproxy } from '../support/haproxy.ts'
import type { RedisServer } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { type Address, startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { type Store, startStore, type Topology } from './store.ts'
import { createTally, type Tally } from './tally.ts'

/** A stock set-up as its documentation has it. */
export type Rival = 'redis-adapter' | 'redis-streams-adapter'

/** What is put to the test. */
export type Contender = 'roomwire' | Rival

/** One server process on a port that stays the same over its restarts. */
export interface Instance {
  readonly name: string
  readonly port: number
  readonly running: boolean
  kill(): Promise<void>
  freeze(): void
  thaw(): void
  /** SIGTERM, then SIGKILL after `graceMs` (10 s); resolves when it is gone. */
  stop(graceMs?: number): Promise<void>
  start(): Promise<void>
}

/**
 * Redis with AOF `always`, instances on it through a TCP proxy each, HAProxy in front of them. Sentinels
 * and clusters tell their own addresses: there instances connect directly, and the proxies have nothing.
 */
export interface System {
  readonly contender: Contender
  /** For clients: the balancer. */
  readonly url: string
  readonly balancer: Haproxy
  /** Standalone, the one Redis; else one of them. */
  readonly redis: RedisServer
  readonly store: Store
  /** Each instance's way to Redis, in the order of the instances. */
  readonly links: readonly TcpProxy[]
  readonly instances: readonly Instance[]
  /** Key prefix of the instances. */
  readonly prefix: string
  /** What only the gateways know, summed over all their lives. */
  readonly tally: Tally
  /** Processes that ended by themselves, and log lines that must never be written. */
  readonly problems: readonly string[]
  /** What the instances wrote since the last time this was called, each line with its instance. */
  newLines(): string[]
  /** How many processes ended by themselves. */
  readonly deaths: number
  /** Starts one more gateway, not behind the balancer, on Redis itself rather than on the proxy. */
  startAside(scope: Scope): Promise<string>
}

type Running = Pick<Child, 'running' | 'exited' | 'signal' | 'stop'> & {
  readonly output: readonly string[]
}

const rivalEntry = fileURLToPath(new URL('rivals/server.ts', import.meta.url))
const PASSWORD = '80u7dxerdVK+ZaKp2drp76OKtH0O1EYXLwebTQ/q7mA='
const PREFIX = 'roomwire:chaos'

/** Lines that say that something escaped: an unhandled rejection, an exception, a fatal error. */
const ESCAPED = /"level":60|unhandled|uncaught|UnhandledPromise|FATAL ERROR/i

export interface SystemOptions {
  contender: Contender
  instances: number
  /** Settings of the instances, beside and before ours. */
  env?: Record<string, string>
  /** Another Redis than one of its own with AOF `always`. */
  redis?: RedisServer
  topology?: Topology
  /** Instances connect to Redis itself: nothing goes through their links. */
  direct?: boolean
}

export async function startSystem(scope: Scope, options: SystemOptions): Promise<System> {
  const { contender } = options
  const { topology = 'standalone' } = options
  const store = await startStore(scope, topology, { password: PASSWORD, redis: options.redis })
  const redis = store.server
  const problems: string[] = []
  const outputs: { name: string; lines: readonly string[]; scanned: number }[] = []
  for (const log of store.logs) outputs.push({ ...log, scanned: 0 })
  const tally = createTally()
  let deaths = 0

  const env = (redisPort: number): Record<string, string> => ({
    HOST: '127.0.0.1',
    WEBSOCKET_REDIS_PASSWORD: redis.password ?? '',
    ...store.env(redisPort),
    REDIS_KEY_PREFIX: PREFIX,
    // Short, so that frozen instances and stalled clients are given up within a round.
    WEBSOCKET_SERVER_PING_INTERVAL: '5',
    WEBSOCKET_SERVER_PING_TIMEOUT: '5',
    SHUTDOWN_TIMEOUT: '5s',
    LOG_LEVEL: 'info',
    ...options.env,
  })

  async function createInstance(name: string, link: Address): Promise<Instance> {
    const port = await freePort()
    let process: Running
    let expected = false

    async function launch(): Promise<Running> {
      const settings = { ...env(link.port), PORT: String(port), INSTANCE_ID: name }
      if (contender !== 'roomwire') {
        const child = await startChild(
          scope,
          globalThis.process.execPath,
          [...['--import', 'tsx', rivalEntry, contender]],
          { env: settings },
        )
        await new Promise<void>((resolve) => {
          child.onLine((line) => line.includes('listening') && resolve())
          void child.exited.then(() => resolve())
        })
        return Object.assign(child, { output: child.lines })
      }
      const gateway = await startGateway(scope, { env: settings })
      return gateway
    }

    const self: Instance = {
      name,
      port,
      get running() {
        return process.running
      },
      async kill() {
        await tally.read(name, port)
        expected = true
        process.signal('SIGKILL')
        await process.exited
      },
      freeze: () => process.signal('SIGSTOP'),
      thaw: () => process.signal('SIGCONT'),
      async stop(graceMs) {
        await tally.read(name, port)
        expected = true
        const { signal } = await process.stop(graceMs)
        if (signal === 'SIGKILL') problems.push(`${name} did not end after SIGTERM`)
      },
      async start() {
        expected = false
        process = await launch()
        outputs.push({ name, lines: process.output, scanned: 0 })
        tally.forget(name)
        const started = process
        void started.exited.then(({ code, signal }) => {
          if (expected || started !== process) return
          deaths += 1
          problems.push(`${name} ended by itself (code ${code}, signal ${signal})`)
        })
        await ready(port)
      },
    }
    await self.start()
    return self
  }

  const unread: string[] = []

  /** Reads what the processes wrote since the last time. */
  function scan(): void {
    for (const output of outputs) {
      for (; output.scanned < output.lines.length; output.scanned += 1) {
        const line = output.lines[output.scanned] ?? ''
        unread.push(`${output.name} ${line}`)
        if (ESCAPED.test(line)) problems.push(`${output.name}: ${line.slice(0, 500)}`)
      }
    }
  }

  const instances: Instance[] = []
  const links: TcpProxy[] = []
  for (let number = 1; number <= options.instances; number += 1) {
    const link = await startTcpProxy(scope, { target: { host: redis.host, port: redis.port } })
    links.push(link)
    instances.push(await createInstance(`gw${number}`, options.direct ? redis : link))
  }
  const balancer = await startHaproxy(scope, {
    backends: instances.map(({ port }) => ({ host: '127.0.0.1', port })),
  })
  return {
    contender,
    url: balancer.url,
    balancer,
    redis,
    store,
    links,
    instances,
    prefix: PREFIX,
    tally,
    get problems() {
      scan()
      return problems
    },
    newLines() {
      scan()
      return unread.splice(0)
    },
    get deaths() {
      return deaths
    },
    async startAside(aside) {
      const settings = { ...env(redis.port), PORT: '0', INSTANCE_ID: 'aside' }
      const gateway = await startGateway(aside, { env: settings })
      await ready(gateway.port)
      return gateway.url
    },
  }
}

/** Waits until an instance is ready, or gone, or half a minute has passed: the round will tell. */
async function ready(port: number): Promise<void> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await sleep(50)) {
    const response = await fetch(`http://127.0.0.1:${port}/health/ready`, {
      signal: AbortSignal.timeout(1000),
    }).catch(() => undefined)
    if (response?.ok) return
  }
}
