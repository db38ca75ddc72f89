import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Scope } from './scope.js'

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A running program whose output is kept, and which never outlives its scope or this process. */
export interface Child {
  readonly pid: number
  /** Every line of stdout and stderr so far, in order. */
  readonly lines: readonly string[]
  /** Resolves when the process has ended and its output was read; never rejects. */
  readonly exited: Promise<Exit>
  readonly running: boolean
  /** True once `signal` or `stop` asked for it, or the exit was awaited on purpose with `stop`. */
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

const running = new Set<number>()
// A runner that is torn down without its cleanups must not leave servers behind.
process.once('exit', () => {
  for (const pid of running) process.kill(pid, 'SIGKILL')
})

/** Starts `command`; rejects when it cannot be started at all. */
export async function startChild(
  scope: Scope,
  command: string,
  args: readonly string[],
  options: ChildOptions = {},
): Promise<Child> {
  const child = spawn(command, args, {
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
    if (child.pid !== undefined) running.delete(child.pid)
  })
  await once(child, 'spawn')
  const pid = child.pid
  if (pid === undefined) throw new Error(`${command} has no process id`)
  if (alive) running.add(pid)

  const self: Child = {
    pid,
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
