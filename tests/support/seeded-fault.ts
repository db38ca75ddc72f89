import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Status } from '../../server/doctor/check.ts'
import { type RedisOptions, type RedisServer, startRedis } from './redis-server.ts'
import type { Scope } from './scope.ts'

/** Something that is wrong with a set-up, and what `roomwire doctor` has to say of it. */
export interface SeededFault {
  title: string
  /** The check that names it. */
  id: string
  status: Exclude<Status, 'ok' | 'skipped'>
  remedy: RegExp
  /** Other checks that cannot but fail or warn with it. */
  also?: readonly string[]
  /** Starts real servers; resolves to the environment of the gateway. */
  arrange(scope: Scope): Promise<Arranged>
}

export interface Arranged {
  env: Record<string, string>
  now?: () => number
}

/** What a URL is torn apart at, and the story's own. */
export const PASSWORD = '80u7dxerdVK+ZaKp2drp76OKtH0O1EYXLwebTQ/q7mA='

/** What a Redis of rooms should be. */
export function startRooms(scope: Scope, options: RedisOptions = {}): Promise<RedisServer> {
  return startRedis(scope, {
    requirepass: PASSWORD,
    // It looks at the configuration of Redis as well, where it may.
    rights: 'all',
    appendonly: 'everysec',
    ...options,
    config: ['maxmemory 64mb', 'maxmemory-policy noeviction', ...(options.config ?? [])],
  })
}

/** What a gateway there is told, without anything that could be wrong. */
export async function environment(
  scope: Scope,
  { host, port }: { host: string; port: number },
  more: Record<string, string> = {},
): Promise<Record<string, string>> {
  return {
    PORT: '0',
    WEBSOCKET_REDIS_URL: `redis://${host}:${port}`,
    WEBSOCKET_REDIS_PASSWORD_FILE: await secretFile(scope, PASSWORD),
    ...more,
  }
}

/** A file that holds it, readable only for us unless told otherwise. */
export async function secretFile(scope: Scope, secret: string, mode = 0o600): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'roomwire-secret-'))
  scope.defer(() => rm(dir, { recursive: true, force: true }))
  const path = join(dir, 'secret')
  await writeFile(path, secret, { mode })
  return path
}

/** A server of our own on a loopback port. */
export async function listen(
  scope: Scope,
  serve: (socket: Socket) => void,
): Promise<{ host: string; port: number }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined))
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  scope.defer(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}
