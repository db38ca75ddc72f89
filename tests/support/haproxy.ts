import { join } from 'node:path'
import { startChild } from './child.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import { repositoryRoot } from './gateway-process.ts'
import type { Scope } from './scope.ts'
import type { Address } from './tcp-proxy.ts'

/** The balancer's configuration that we ship; compose.yml mounts the same file. */
export const haproxyConfig = join(repositoryRoot, 'deploy/haproxy.cfg')

export interface HaproxyOptions {
  /** The instances, at most 8; the first is `instance1`. */
  backends: readonly Address[]
  env?: Record<string, string>
}

export interface Haproxy extends Address {
  /** Where clients connect. */
  readonly url: string
  /** Statistics page, `/health` and `/metrics`. */
  readonly adminUrl: string
  readonly pid: number
  /** Each instance's state as the health checks see it: `UP`, `DOWN`, `UP 1/2` on its way down … */
  states(): Promise<Record<string, string>>
  /** Waits until the instance (1 for the first backend) is in this state, and checked. */
  waitForState(instance: number, state: 'UP' | 'DOWN', timeoutMs?: number): Promise<void>
}

/** Starts HAProxy in front of the backends; resolves once every one of them was checked and is up. */
export async function startHaproxy(scope: Scope, options: HaproxyOptions): Promise<Haproxy> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOn(scope, options, await freePort(), await freePort())
    } catch (error) {
      const taken = error instanceof Error && /cannot bind socket/.test(error.message)
      if (!taken || attempt === 5) throw error
    }
  }
}

async function startOn(
  scope: Scope,
  options: HaproxyOptions,
  port: number,
  adminPort: number,
): Promise<Haproxy> {
  const env: Record<string, string> = {
    HAPROXY_BIND: `127.0.0.1:${port}`,
    HAPROXY_ADMIN_BIND: `127.0.0.1:${adminPort}`,
    ...options.env,
  }
  for (const [index, backend] of options.backends.entries()) {
    env[`ROOMWIRE_${index + 1}`] = `${backend.host}:${backend.port}`
  }
  const child = await startChild(scope, 'haproxy', ['-db', '-f', haproxyConfig], { env })
  const adminUrl = `http://127.0.0.1:${adminPort}`

  async function states(): Promise<Record<string, string>> {
    const rows = (await (await fetch(`${adminUrl}/;csv`)).text()).split('\n')
    const columns = rows[0]?.replace('# ', '').split(',') ?? []
    const column = (row: string[], name: string) => row[columns.indexOf(name)] ?? ''
    const instances = rows
      .map((row) => row.split(','))
      .filter((row) => row[0] === 'http' && row[1]?.startsWith('instance'))
    return Object.fromEntries(
      instances.map((row) => [
        row[1],
        // Before its first check a server counts as up; that is not what a caller waits for.
        column(row, 'check_status') === 'INI' ? 'UNCHECKED' : column(row, 'status'),
      ]),
    )
  }

  async function waitForState(instance: number, state: 'UP' | 'DOWN', timeoutMs = 15_000) {
    await eventually(
      async () => {
        if (!child.running) return true
        return (await states())[`instance${instance}`] === state
      },
      { what: `instance${instance} being ${state}`, timeoutMs },
    )
    if (!child.running) throw new Error(`haproxy ended:\n${child.tail()}`)
  }

  for (const index of options.backends.keys()) await waitForState(index + 1, 'UP')
  return {
    host: '127.0.0.1',
    port,
    url: `http://127.0.0.1:${port}`,
    adminUrl,
    pid: child.pid,
    states,
    waitForState,
  }
}
