import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { type Child, type Exit, startChild } from './child.ts'
import { eventually } from './eventually.ts'
import type { Scope } from './scope.ts'

export const repositoryRoot = fileURLToPath(new URL('../../', import.meta.url))
const entryPoint = fileURLToPath(new URL('../../dist/server/main.js', import.meta.url))

/** A parsed line of the gateway's log. */
export interface LogEntry {
  level: number
  msg: string
  [field: string]: unknown
}

export interface GatewayOptions {
  /** The whole environment but for PATH; PORT=0 and HOST=127.0.0.1 unless given. */
  env?: Record<string, string>
  args?: readonly string[]
  nodeArgs?: readonly string[]
  /** Limit for reaching the `listening` line. */
  startTimeoutMs?: number
}

/** A gateway as operators run it: `node dist/server/main.js`, a process of its own. */
export interface GatewayProcess {
  readonly host: string
  readonly port: number
  readonly url: string
  readonly instance: string
  readonly pid: number
  readonly running: boolean
  /** What it logged so far, parsed; lines that are not JSON are only in `output`. */
  readonly logs: readonly LogEntry[]
  /** As it is read; who pauses or ends it keeps `logs` and `output` from what follows. */
  readonly stdout: Readable
  /** Every raw line of stdout and stderr. */
  readonly output: readonly string[]
  readonly exited: Promise<Exit>
  /** The first entry that matches, logged already or later; rejects when the process ends before. */
  waitForLog(matches: (entry: LogEntry) => boolean, timeoutMs?: number): Promise<LogEntry>
  /** Resolves once `/health/ready` says 200. */
  ready(timeoutMs?: number): Promise<void>
  signal(signal: NodeJS.Signals): void
  /** SIGTERM, then SIGKILL after `graceMs` (10 s). */
  stop(graceMs?: number): Promise<Exit>
}

/**
 * Starts one and waits until it listens. One that ends before throws with its last lines, and so does
 * the scope's end for one that ended later without having been told to.
 */
export async function startGateway(
  scope: Scope,
  options: GatewayOptions = {},
): Promise<GatewayProcess> {
  const child = await spawnGateway(scope, options)
  const logs = collectLogs(child)
  scope.defer(async () => {
    if (child.running || child.signalled) return
    if ((await child.exited).code === 0) return // drained, as it was asked to over HTTP
    throw new Error(`a gateway ended by itself; its last lines:\n${child.tail()}`)
  })

  const listening = await logs.waitFor(
    (entry) => entry.msg === 'listening',
    options.startTimeoutMs ?? 20_000,
  )
  const host = String(listening['host'])
  const port = Number(listening['port'])
  const url = `http://${host}:${port}`
  return {
    host,
    port,
    url,
    instance: String(listening['instance']),
    pid: child.pid,
    get running() {
      return child.running
    },
    logs: logs.entries,
    stdout: child.stdout,
    output: child.lines,
    exited: child.exited,
    waitForLog: logs.waitFor,
    async ready(timeoutMs = 15_000) {
      const isReady = async () => !child.running || (await fetch(`${url}/health/ready`)).ok
      await eventually(isReady, { what: 'readiness', timeoutMs })
      if (!child.running) throw new Error(`the gateway ended; its last lines:\n${child.tail()}`)
    },
    signal: child.signal,
    stop: child.stop,
  }
}

/** Runs the program to its own end: refused settings, `--help`, the subcommands. */
export async function runGateway(
  scope: Scope,
  options: GatewayOptions = {},
): Promise<Exit & { output: readonly string[] }> {
  const child = await spawnGateway(scope, options)
  const limit = setTimeout(() => child.signal('SIGKILL'), options.startTimeoutMs ?? 20_000)
  const exit = await child.exited
  clearTimeout(limit)
  return { ...exit, output: child.lines }
}

function spawnGateway(scope: Scope, options: GatewayOptions): Promise<Child> {
  const args = [...(options.nodeArgs ?? []), entryPoint, ...(options.args ?? [])]
  const env = { PORT: '0', HOST: '127.0.0.1', ...options.env }
  return startChild(scope, process.execPath, args, { env, cwd: repositoryRoot })
}

function collectLogs(child: Child) {
  const entries: LogEntry[] = []
  const watchers = new Set<(entry: LogEntry) => void>()
  child.onLine((line, stream) => {
    const entry = stream === 'stdout' ? parseEntry(line) : undefined
    if (entry === undefined) return
    entries.push(entry)
    for (const watcher of watchers) watcher(entry)
  })

  function waitFor(matches: (entry: LogEntry) => boolean, timeoutMs = 10_000): Promise<LogEntry> {
    const logged = entries.find(matches)
    if (logged !== undefined) return Promise.resolve(logged)
    return new Promise((resolve, reject) => {
      const fail = (what: string) => {
        settle()
        reject(new Error(`${what}; its last lines:\n${child.tail()}`))
      }
      const limit = setTimeout(
        () => fail(`the log line did not come in ${timeoutMs} ms`),
        timeoutMs,
      )
      const watcher = (entry: LogEntry) => {
        if (!matches(entry)) return
        settle()
        resolve(entry)
      }
      const settle = () => {
        clearTimeout(limit)
        watchers.delete(watcher)
      }
      watchers.add(watcher)
      void child.exited.then(({ code, signal }) => {
        if (watchers.has(watcher)) fail(`the gateway ended (code ${code}, signal ${signal})`)
      })
    })
  }
  return { entries, waitFor }
}

function parseEntry(line: string): LogEntry | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line) as LogEntry
  } catch {
    return undefined
  }
}
