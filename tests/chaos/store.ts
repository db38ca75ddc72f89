import { setTimeout as sleep } from 'node:timers/promises'
import { slotOf } from '../../server/broker/redis/slots.ts'
import { eventually } from '../support/eventually.ts'
import { startRedisCluster } from '../support/redis-cluster.ts'
import { startRedisSentinel } from '../support/redis-sentinel.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import type { Random } from './random.ts'

export const TOPOLOGIES = ['standalone', 'sentinel', 'cluster'] as const
export type Topology = (typeof TOPOLOGIES)[number]

/** Where the rooms are: one Redis, or several of which one or another serves. */
export interface Store {
  readonly topology: Topology
  /** Standalone, the one server; else the first. */
  readonly server: RedisServer
  /** What Sentinels, or nodes, wrote: who took over, and why. */
  readonly logs: readonly { name: string; lines: readonly string[] }[]
  /** Settings by which instances reach it; the port counts where there is one server. */
  env(port: number): Record<string, string>
  /** Those that serve now. */
  primaries(): Promise<RedisServer[]>
  /** Who has a key. */
  serverOf(key: string): Promise<RedisServer>
  /** Resolves when every server runs, and all of them are linked. */
  whole(): Promise<void>
  /** Waits until all is whole and no other such work is under way: who serves what changes one by one. */
  alone<T>(work: () => Promise<T>): Promise<T>
  /** Resolves when another server serves what this one did. */
  replaced(primary: RedisServer): Promise<void>
  freeze(server: RedisServer): void
  thaw(server: RedisServer): void
  /** Another server takes over from one that works. */
  failOver(random: Random): Promise<void>
  /** Slots of these keys go to other primaries, one after the other. */
  moveSlots(keys: readonly string[], random: Random): Promise<void>
}

interface StoreOptions {
  password: string
  /** Standalone: another one than its own. */
  redis: RedisServer | undefined
}

const AOF = { appendonly: 'always' } as const
const SENTINEL_PASSWORD = 'se/nt+in=el'

type Servers = Omit<Store, 'alone'>

export async function startStore(
  scope: Scope,
  topology: Topology,
  options: StoreOptions,
): Promise<Store> {
  const starts = {
    standalone: startStandaloneStore,
    sentinel: startSentinelStore,
    cluster: startClusterStore,
  }
  const servers = await starts[topology](scope, options)
  let last: Promise<unknown> = Promise.resolve()
  return {
    ...servers,
    alone(work) {
      const done = last.then(async () => {
        await servers.whole()
        return work()
      })
      last = done.catch(() => undefined)
      return done
    },
  }
}

async function startStandaloneStore(scope: Scope, options: StoreOptions): Promise<Servers> {
  const server =
    options.redis ?? (await startRedis(scope, { ...AOF, requirepass: options.password }))
  const impossible = () => Promise.reject(new Error('there is one server only'))
  return {
    topology: 'standalone',
    server,
    logs: [],
    env: (port) => ({ WEBSOCKET_REDIS_URL: `redis://127.0.0.1:${port}` }),
    primaries: async () => [server],
    serverOf: async () => server,
    whole: async () => undefined,
    replaced: impossible,
    freeze: () => server.pause(),
    thaw: () => server.resume(),
    failOver: impossible,
    moveSlots: impossible,
  }
}

async function startSentinelStore(scope: Scope, { password }: StoreOptions): Promise<Servers> {
  const set = await startRedisSentinel(scope, {
    ...AOF,
    // A machine that is busy for a second is no primary that died.
    downAfterMs: 2000,
    requirepass: password,
    sentinelPassword: SENTINEL_PASSWORD,
  })
  return {
    topology: 'sentinel',
    server: set.servers[0] as RedisServer,
    logs: [...set.servers, ...set.sentinels].map(({ port, log }) => ({
      name: `:${port}`,
      lines: log,
    })),
    env: () => ({
      WEBSOCKET_REDIS_URL: `redis://${set.master}`,
      WEBSOCKET_REDIS_SENTINEL_HOSTS: set.hosts,
      WEBSOCKET_REDIS_SENTINEL_PASSWORD: SENTINEL_PASSWORD,
    }),
    primaries: async () => [await set.primary()],
    serverOf: () => set.primary(),
    whole: set.whole,
    async replaced(primary) {
      await eventually(async () => (await set.primary()) !== primary, {
        what: 'another primary',
        timeoutMs: 20_000,
      })
    },
    freeze: (server) => server.pause(),
    thaw: (server) => server.resume(),
    async failOver() {
      await set.failOver()
    },
    moveSlots: () => Promise.reject(new Error('this is no cluster')),
  }
}

async function startClusterStore(scope: Scope, { password }: StoreOptions): Promise<Servers> {
  const cluster = await startRedisCluster(scope, {
    ...AOF,
    requirepass: password,
    nodeTimeoutMs: 2000,
  })
  return {
    topology: 'cluster',
    server: cluster.nodes[0] as RedisServer,
    logs: cluster.nodes.map(({ port, log }) => ({ name: `:${port}`, lines: log })),
    env: () => ({
      WEBSOCKET_REDIS_URL: `redis://${cluster.hosts}`,
      WEBSOCKET_REDIS_CLUSTER: 'true',
    }),
    primaries: cluster.primaries,
    serverOf: (key) => cluster.ownerOf(slotOf(key)),
    whole: cluster.whole,
    replaced: cluster.replaced,
    freeze: cluster.freeze,
    thaw: cluster.thaw,
    async failOver(random) {
      await cluster.failOver(random.pick(await cluster.primaries()))
    },
    async moveSlots(keys, random) {
      for (const key of keys) {
        const slot = slotOf(key)
        const from = await cluster.ownerOf(slot)
        const others = (await cluster.primaries()).filter((primary) => primary !== from)
        // On its way for a while, as with many keys.
        await cluster.moveSlot(slot, random.pick(others), () => sleep(random.int(0, 300)))
      }
    },
  }
}
