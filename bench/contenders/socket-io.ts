import { fileURLToPath } from 'node:url'
import type { Recovery } from '../load/api.ts'
import { answers, type Contender, startInstance } from './contender.ts'

const program = (name: string) => fileURLToPath(new URL(`../rivals/${name}.mjs`, import.meta.url))

function rival(
  name: string,
  title: string,
  env: Record<string, string>,
  options: { program?: string; recovery?: Recovery } = {},
): Contender {
  return {
    name,
    title,
    wire: 'socket.io',
    recovery: options.recovery ?? 'none',
    unavailable: () => undefined,
    start: (scope, { redis }) =>
      startInstance(
        scope,
        process.execPath,
        () => [program(options.program ?? 'socket-io')],
        () => ({ REDIS_URL: `redis://${redis.host}:${redis.port}`, ...env }),
        (_child, port) => answers(port, '/health/live'),
      ),
  }
}

/** As the documentation of @socket.io/redis-adapter shows. */
export const stock = rival('stock', 'Socket.IO + redis-adapter', { ADAPTER: 'classic' })

/** The same with its errors caught, so that it survives its own overload. */
export const stockCaught = rival('stock-caught', 'Socket.IO + redis-adapter, errors caught', {
  ADAPTER: 'classic',
  CATCH_ERRORS: 'true',
})

/** The same with no handler at all: what a connection costs at least. */
export const stockIdle = rival('stock-idle', 'Socket.IO + redis-adapter, nothing on it', {
  ADAPTER: 'classic',
  HANDLERS: 'false',
})

export const sharded = rival('sharded', 'Socket.IO + sharded redis-adapter', {
  ADAPTER: 'sharded',
  CATCH_ERRORS: 'true',
})

export const streams = rival('streams', 'Socket.IO + redis-streams-adapter', {
  ADAPTER: 'streams',
  CATCH_ERRORS: 'true',
})

/** The streams adapter with connection state recovery. */
export const streamsRecovery = rival(
  'streams-recovery',
  'Socket.IO + redis-streams-adapter, recovery on',
  { ADAPTER: 'streams', CATCH_ERRORS: 'true', RECOVERY: 'true' },
  { recovery: 'session' },
)

export const bareWs = rival('bare-ws', 'bare ws + Redis', {}, { program: 'bare-ws' })
