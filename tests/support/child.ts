import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Scope } from './scope.ts'

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A running program whose output is kept, and which outlives neither its scope nor this process. */
export interface Child {
  readonly pid: number
  /** As it is read; who pauses or ends it keeps its lines from everybody. */
  readonly stdout: Readable
  /** Every line of stdout and stderr so far, in order. */
  readonly lines: readonly string[]
  /** Resolves when the process has ended and its output was read; never rejects. */
  readonly exited: Promise<Exit>
  readonly running: boolean
  /** True once it was sent a signal by `signal` or `stop`: from then on its end is no surprise. */
  readonly signalled: boolean
  onLine(listener: (line: string, stream: 'stdout' | 'stderr') => void): void
  signal(signal: NodeJS.Signals): void
  /** SIGTERM (after SIGCONT, for a stopped process cannot act), SIGKILL when that takes too long. */
  stop(graceMs?: number): Promise<Exit>
  /** The last lines of output, for error messages. */
  tail(count?: number): string
}

export interface ChildOptions {
  /** The whole environment; PATH is added. Nothing leaks in from the test runner. */
  env?: Record<string, string>
  cwd?: string
}

// A runner that is killed cannot clean up: on Linux its children die with it.
const lifeline = existsSync('/usr/bin/setpriv') ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL'] : []

/** Starts `command`; rejects when it cannot be started at all. */
export async function startChild(
  scope: Scope,
  command: string,
  args: readonly string[],
  options: ChildOptions = {},
): Promise<Child> {
  const [program, ...programArgs] = [...lifeline, command, ...args] as [string, ...string[]]
  const child = spawn(program, programArgs, {
    cwd: options.cwd,
    env: { PATH: process.env['PATH'], ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const listeners: ((line: string, stream: 'stdout' | 'stderr') => void)[] = []
  let alive = true
  let signalled = false

  for (const stream of ['stdout', 'stderr'] as const) {
    createInterface({ input: child[stream] }).on('line', (line) => {
      lines.push(line)
      for (const listener of listeners) listener(line, stream)
    })
  }
  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  child.once('exit', () => {
    alive = false
  })
  await once(child, 'spawn')
  const pid = child.pid
  if (pid === undefined) throw new Error(`${command} has no process id`)

  const self: Child = {
    pid,
    stdout: child.stdout,
    lines,
    exited,
    get running() {
      return alive
    },
    get signalled() {
      return signalled
    },
    onLine: (listener) => void listeners.push(listener),
    signal(signal) {
      signalled = true
      if (alive) child.kill(signal)
    },
    async stop(graceMs = 10_000) {
      self.signal('SIGTERM')
      self.signal('SIGCONT')
      const force = setTimeout(() => self.signal('SIGKILL'), graceMs)
      try {
        return await exited
      } finally {
        clearTimeout(force)
      }
    },
    tail: (count = 20) => lines.slice(-count).join('\n'),
  }
  scope.defer(() => self.stop())
  return self
}
