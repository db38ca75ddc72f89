import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '../../tests/support/gateway-process.ts'
import { answers, type Contender, startInstance } from './contender.ts'

const program = join(repositoryRoot, 'dist/server/main.js')

/** As operators run it, with no option but where Redis is: log and deduplication on. */
export const roomwire: Contender = {
  name: 'roomwire',
  title: 'Roomwire, durable',
  wire: 'socket.io',
  recovery: 'position',
  unavailable: () => (existsSync(program) ? undefined : 'it is not built: npm run build'),
  start: (scope, { redis, name }) =>
    startInstance(
      scope,
      process.execPath,
      () => [program],
      () => ({ WEBSOCKET_REDIS_URL: `redis://${redis.host}:${redis.port}`, INSTANCE_ID: name }),
      (_child, port) => answers(port, '/health/ready'),
    ),
}
