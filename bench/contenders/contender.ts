import { type Child, startChild } from '../../tests/support/child.ts'
import { freePort } from '../../tests/support/free-port.ts'
import { repositoryRoot } from '../../tests/support/gateway-process.ts'
import type { Scope } from '../../tests/support/scope.ts'
import type { Recovery, WireKind } from '../load/api.ts'
import { processTree } from '../process-usage.ts'

/** Roomwire or a rival: how its servers are started. */
export interface Contender {
  readonly name: string
  readonly title: string
  readonly wire: WireKind
  readonly recovery: Recovery
  /** Why it cannot run on this machine; undefined when it can. */
  unavailable(): string | undefined
  /** Starts one instance; resolves when it accepts connections. */
  start(scope: Scope, options: InstanceOptions): Promise<Instance>
}

export interface InstanceOptions {
  redis: RedisAddress
  /** Name of the instance, different from the others'. */
  name: string
}

export interface RedisAddress {
  host: string
  port: number
}

export interface Instance {
  readonly host: string
  readonly port: number
  /** Of the process that was started; it may work in children. */
  readonly pid: number
  readonly running: boolean
  /** The last lines that it wrote. */
  tail(): string
  /** Ends it at once: nobody waits for a graceful end between two turns. */
  kill(): Promise<void>
}

const START_TIMEOUT_MS = 20_000

/** A server process; `ready` tells when it accepts connections. */
export async function startInstance(
  scope: Scope,
  command: string,
  argsFor: (port: number) => Promise<readonly string[]> | readonly string[],
  env: (port: number) => Record<string, string>,
  ready: (child: Child, port: number) => Promise<boolean>,
): Promise<Instance> {
  const port = await freePort()
  // In production mode, as all would be run.
  const child = await startChild(scope, command, await argsFor(port), {
    env: { NODE_ENV: 'production', HOST: '127.0.0.1', PORT: String(port), ...env(port) },
    cwd: repositoryRoot,
  })
  const instance: Instance = {
    host: '127.0.0.1',
    port,
    pid: child.pid,
    get running() {
      return child.running
    },
    tail: () => child.tail(5),
    async kill() {
      // Children first: workers outlive a master that is killed.
      for (const pid of processTree(child.pid).slice(1)) process.kill(pid, 'SIGKILL')
      child.signal('SIGKILL')
      await child.exited
    },
  }
  scope.defer(() => instance.kill())
  const deadline = Date.now() + START_TIMEOUT_MS
  while (!(await ready(child, port))) {
    if (child.running && Date.now() < deadline) continue
    throw new Error(`${command} did not start:\n${child.tail()}`)
  }
  return instance
}

/** For `ready`: asks until the path is answered with a success. */
export async function answers(port: number, path: string): Promise<boolean> {
  await new Promise((resolve) => setTimeout(resolve, 50))
  return fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(1000) }).then(
    (response) => response.ok,
    () => false,
  )
}
