import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Config } from '../config.ts'
import { type Check, type Finding, failed, note, ok, warning } from './check.ts'

/** What is examined of this machine and process. */
export interface Machine {
  readonly config: Config
}

/** Redis, logs, the listening socket, and what Node itself holds. */
const OWN_FILES = 64
/** Below this nobody meant to run a gateway. */
const LEAST_FILES = 4096

/** One per connection: without it newcomers are refused by the kernel, not by us. */
export const files: Check<Machine> = {
  id: 'files',
  needs: [],
  run({ config: { maxConnections } }) {
    const limit = openFilesLimit()
    if (limit === undefined) return note('the limit of open files is not known on this system')
    const seen = `${limit} open files are allowed`
    const remedy = 'ulimit -n 65536; systemd: LimitNOFILE=65536; Docker: --ulimit nofile=65536'
    if (maxConnections > 0 && limit < maxConnections + OWN_FILES) {
      const instead = `${remedy}; or lower MAX_CONNECTIONS`
      return warning(`${seen}, MAX_CONNECTIONS is ${maxConnections}`, instead)
    }
    return limit < LEAST_FILES && maxConnections === 0 ? warning(seen, remedy) : ok(seen)
  },
}

function openFilesLimit(): number | undefined {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1]
    return soft === 'unlimited'
      ? Number.POSITIVE_INFINITY
      : soft && Number(soft)
        ? Number(soft)
        : undefined
  } catch {
    return undefined
  }
}

/** That the port is free, or that a gateway has it: then this runs beside one. */
export const port: Check<Machine> = {
  id: 'port',
  needs: [],
  async run({ config: { host, port } }) {
    if (port === 0) return ok('the system chooses one')
    const code = await listenOnce(host, port)
    if (code === undefined) return ok(`${port} is free`)
    if (code === 'EACCES') {
      const remedy =
        'set PORT to 1024 or more, or allow it: setcap cap_net_bind_service, sysctl net.ipv4.ip_unprivileged_port_start'
      return failed(`this user may not listen on port ${port}`, remedy)
    }
    if (code === 'EADDRINUSE') return taken(host, port)
    const remedy = 'set HOST to an address of this machine; 0.0.0.0 for all of them'
    return failed(`nobody can listen on ${host} here (${code})`, remedy)
  },
}

function listenOnce(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'unknown'))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}

async function taken(host: string, port: number): Promise<Finding> {
  const at = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host
  try {
    const reply = await fetch(`http://${at}:${port}/health`, { signal: AbortSignal.timeout(1000) })
    const health = (await reply.json()) as { instance?: unknown; durability?: unknown }
    if (typeof health.durability === 'string') return ok(`a gateway listens on ${port} already`)
  } catch {
    // Not one of ours.
  }
  const remedy = `set PORT to another one, or end what listens there: ss -ltnp 'sport = :${port}'`
  return failed(`port ${port} is taken by another process`, remedy)
}
