import { environmentOf, readCompose } from './compose.ts'
import { freePort } from './free-port.ts'
import { type GatewayProcess, startGateway } from './gateway-process.ts'
import { type Haproxy, startHaproxy } from './haproxy.ts'
import { startRedisExporter, type Targets } from './monitoring.ts'
import type { Scope } from './scope.ts'
import { type ShippedRedis, startShippedRedis } from './shipped-redis.ts'

/** Characters that have each broken somebody's deployment. */
const PASSWORD = `80u7dxerdVK+ZaKp2drp76OKtH0O1EYXLwebTQ/q7mA= "$HOME' #\\`

export interface ShippedGateway {
  readonly name: string
  readonly port: number
  readonly process: GatewayProcess
  /** SIGKILL. */
  kill(): Promise<void>
  /** Starts it again, on the same port. */
  start(): Promise<void>
}

/** What compose.yml runs, natively: the same files and settings, other addresses. */
export interface ShippedSystem {
  readonly rooms: ShippedRedis
  readonly cache: ShippedRedis
  readonly gateways: readonly ShippedGateway[]
  readonly haproxy: Haproxy
  readonly targets: Targets
  /** Runs redis-cli with the password as it was given. */
  cli(redis: ShippedRedis, ...args: string[]): Promise<string>
  readonly password: string
}

export async function startShippedSystem(scope: Scope): Promise<ShippedSystem> {
  const rooms = await startShippedRedis(scope, 'redis-rooms.conf', PASSWORD)
  const cache = await startShippedRedis(scope, 'redis-cache.conf', PASSWORD)
  const { services } = readCompose('compose.yml')

  async function createGateway(name: string): Promise<ShippedGateway> {
    const port = await freePort()
    const launch = async () => {
      const started = await startGateway(scope, {
        env: {
          ...environmentOf('compose.yml', services[name] ?? {}),
          PORT: String(port),
          WEBSOCKET_REDIS_URL: `redis://127.0.0.1:${rooms.port}`,
          WEBSOCKET_REDIS_PASSWORD_FILE: rooms.passwordFile,
          REDIS_URL: `redis://127.0.0.1:${cache.port}`,
          REDIS_PASSWORD_FILE: cache.passwordFile,
        },
      })
      await started.ready()
      return started
    }
    let process = await launch()
    return {
      name,
      port,
      get process() {
        return process
      },
      async kill() {
        process.signal('SIGKILL')
        await process.exited
      },
      async start() {
        process = await launch()
      },
    }
  }

  const gateways = [await createGateway('gateway-1'), await createGateway('gateway-2')]
  const addresses = gateways.map(({ port }) => ({ host: '127.0.0.1', port }))
  const haproxy = await startHaproxy(scope, { backends: addresses })
  const admin = new URL(haproxy.adminUrl)
  return {
    rooms,
    cache,
    gateways,
    haproxy,
    targets: {
      gateways: addresses,
      service: haproxy,
      haproxy: { host: admin.hostname, port: Number(admin.port) },
      redis: {
        rooms: await startRedisExporter(scope, rooms),
        cache: await startRedisExporter(scope, cache),
      },
    },
    cli: (redis, ...args) => redis.cli({ REDISCLI_AUTH: PASSWORD }, ...args),
    password: PASSWORD,
  }
}
