import { eventually } from './eventually.ts'
import { type RedisOptions, type RedisServer, redisQuote, startRedis } from './redis-server.ts'
import type { Scope } from './scope.ts'

/** A primary with replicas, watched by three Sentinels; real processes on loopback ports. */
export interface RedisSentinel {
  readonly master: string
  readonly servers: readonly RedisServer[]
  readonly sentinels: readonly RedisServer[]
  readonly password: string | undefined
  /** Of the Sentinels themselves. */
  readonly sentinelPassword: string | undefined
  /** `host:port` of every Sentinel, separated by commas. */
  readonly hosts: string
  /** Who is the primary, as most of the Sentinels have it. */
  primary(): Promise<RedisServer>
  /** Resolves when there is a primary that every other running server is linked to. */
  whole(): Promise<void>
  /** Another server takes over, although the primary works (SENTINEL FAILOVER); returns it. */
  failOver(): Promise<RedisServer>
  /** A command for the primary. */
  cli(...args: string[]): Promise<string>
}

export interface SentinelOptions
  extends Pick<RedisOptions, 'requirepass' | 'tls' | 'appendonly' | 'config'> {
  replicas?: number
  sentinelPassword?: string
  /** After which a silent primary counts as down, ms. */
  downAfterMs?: number
}

const MASTER = 'rooms-primary'
/** Each look is a process per server: many of them keep these from what is waited for. */
const LOOK_MS = 100
/** By default Sentinels look every 2 to 10 s, and so long it takes them to agree after each change. */
const OFTEN = ['INFO-PERIOD', '500', 'PUBLISH-PERIOD', '500', 'ASK-PERIOD', '500']
const QUORUM = 2

export async function startRedisSentinel(
  scope: Scope,
  options: SentinelOptions = {},
): Promise<RedisSentinel> {
  const { replicas = 2, sentinelPassword, downAfterMs = 800, ...redisOptions } = options
  const { requirepass, tls } = redisOptions
  const encrypted = tls === undefined ? [] : ['tls-replication yes']
  const common = [
    'repl-diskless-sync-delay 0',
    ...encrypted,
    ...(requirepass === undefined ? [] : [`masterauth ${redisQuote(requirepass)}`]),
    ...(options.config ?? []),
  ]
  const first = await startRedis(scope, { ...redisOptions, rights: 'all', config: common })
  const others = await Promise.all(
    Array.from({ length: replicas }, () =>
      startRedis(scope, {
        ...redisOptions,
        rights: 'all',
        config: [...common, `replicaof 127.0.0.1 ${first.port}`],
      }),
    ),
  )
  const servers = [first, ...others]
  const sentinels = await Promise.all(
    [1, 2, 3].map(() =>
      startRedis(scope, {
        args: ['--sentinel'],
        rights: 'all',
        ...(tls === undefined ? {} : { tls }),
        ...(sentinelPassword === undefined ? {} : { requirepass: sentinelPassword }),
        config: [
          ...encrypted,
          `sentinel monitor ${MASTER} 127.0.0.1 ${first.port} ${QUORUM}`,
          `sentinel down-after-milliseconds ${MASTER} ${downAfterMs}`,
          `sentinel failover-timeout ${MASTER} 4000`,
          ...(requirepass === undefined
            ? []
            : [`sentinel auth-pass ${MASTER} ${redisQuote(requirepass)}`]),
          ...(sentinelPassword === undefined
            ? []
            : [`sentinel sentinel-pass ${redisQuote(sentinelPassword)}`]),
        ],
      }),
    ),
  )

  await Promise.all(sentinels.map((sentinel) => sentinel.cli('SENTINEL', 'DEBUG', ...OFTEN)))

  /** Ports that Sentinels name as the primary's. */
  async function named(): Promise<number[]> {
    const asked = sentinels.filter(({ running }) => running)
    const replies = await Promise.all(
      asked.map((sentinel) => sentinel.cli('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER)),
    )
    return replies.map((reply) => Number(reply.split('\n')[1]))
  }

  async function linked(server: RedisServer, primary: RedisServer): Promise<boolean> {
    if (!server.running) return true
    const [role, , port, state] = (await server.cli('ROLE').catch(() => '')).split('\n')
    if (server === primary) return role === 'master'
    return role === 'slave' && Number(port) === primary.port && state === 'connected'
  }

  const self: RedisSentinel = {
    master: MASTER,
    servers,
    sentinels,
    password: requirepass,
    sentinelPassword,
    hosts: sentinels.map(({ port }) => `127.0.0.1:${port}`).join(','),
    async primary() {
      const ports = await named()
      const server = servers.find(
        ({ port }) => ports.filter((each) => each === port).length >= QUORUM,
      )
      if (server === undefined) throw new Error('the Sentinels do not agree')
      return server
    },
    async whole() {
      await eventually(
        async () => {
          const primary = await self.primary().catch(() => undefined)
          if (primary === undefined || !primary.running) return false
          const links = await Promise.all(servers.map((server) => linked(server, primary)))
          const known = await Promise.all(
            sentinels.map((sentinel) => sentinel.cli('SENTINEL', 'MASTER', MASTER)),
          )
          return (
            links.every((each) => each) &&
            known.every(
              (reply) =>
                fieldOf(reply, 'num-slaves') === String(replicas) &&
                fieldOf(reply, 'num-other-sentinels') === '2' &&
                fieldOf(reply, 'flags') === 'master',
            )
          )
        },
        { what: 'a whole set of Sentinels and servers', intervalMs: LOOK_MS, timeoutMs: 40_000 },
      )
    },
    async failOver() {
      const before = await self.primary()
      // Refused while the one before is not over, given up where no replica is known to be good yet.
      await eventually(
        async () => {
          if ((await self.primary().catch(() => before)) !== before) return true
          await sentinels[0]?.cli('SENTINEL', 'FAILOVER', MASTER)
          return false
        },
        { what: 'another primary', timeoutMs: 40_000, intervalMs: 500 },
      )
      return self.primary()
    },
    cli: async (...args) => (await self.primary()).cli(...args),
  }
  await self.whole()
  return self
}

/** A field of a reply that lists names and values in turn. */
function fieldOf(reply: string, name: string): string | undefined {
  const lines = reply.split('\n')
  return lines[lines.indexOf(name) + 1]
}
