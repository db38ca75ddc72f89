import { startRedisCluster } from './redis-cluster.ts'
import { startRedisSentinel } from './redis-sentinel.ts'
import { aclPassword, type RedisServer, shippedRule, startRedis } from './redis-server.ts'
import type { Scope } from './scope.ts'

/** A Redis of some topology, and what its operator does to change the gateways' password. */
export interface RotatingRedis {
  /** Settings of a gateway but for the password, which it takes from `WEBSOCKET_REDIS_PASSWORD_FILE`. */
  readonly env: Record<string, string>
  /** From now on the password is accepted, on every node; the one before may be refused already. */
  accept(password: string): Promise<void>
  /** From now on it is refused to whoever connects. */
  retire(password: string): Promise<void>
  /** Ends every connection of the gateways. */
  cutConnections(): Promise<void>
  /** Ids of the gateways' connections: the same afterwards where nobody had to come back. */
  connections(): Promise<string[]>
}

/** A topology of which `tests/redis/rotation.test.ts` is true. */
export interface Topology {
  title: string
  start(scope: Scope, password: string): Promise<RotatingRedis>
}

export const standalone: Topology = {
  title: 'standalone, one password for everybody (requirepass)',
  async start(scope, password) {
    const redis = await startRedis(scope, { requirepass: password })
    return {
      env: { WEBSOCKET_REDIS_URL: `redis://127.0.0.1:${redis.port}` },
      accept: (next) => redis.setPassword(next),
      retire: async () => undefined, // there is only one: the one before went with it
      cutConnections: async () => void (await redis.cli('CLIENT', 'KILL', 'USER', 'default')),
      connections: async () => connectionsOf(await redis.cli('CLIENT', 'LIST'), 'default'),
    }
  },
}

const USER = 'roomwire'
const OWNER = 'of the owner'

export const aclUser: Topology = {
  title: 'standalone, an ACL user with two passwords for a while',
  async start(scope, password) {
    const redis = await startRedis(scope, {
      requirepass: OWNER,
      users: [shippedRule(USER, aclPassword(password))],
    })
    const env = { WEBSOCKET_REDIS_URL: `redis://127.0.0.1:${redis.port}` }
    return onServers([redis], env)
  },
}

export const sentinel: Topology = {
  title: 'Sentinel, an ACL user on the primary and its replicas',
  async start(scope, password) {
    const { master, hosts, servers } = await startRedisSentinel(scope, { requirepass: OWNER })
    const env = {
      WEBSOCKET_REDIS_URL: `redis://${master}`,
      WEBSOCKET_REDIS_SENTINEL_HOSTS: hosts,
    }
    await addUser(servers, password, env)
    return onServers(servers, env)
  },
}

export const cluster: Topology = {
  title: 'Cluster, an ACL user on every node',
  async start(scope, password) {
    const { hosts, nodes } = await startRedisCluster(scope, { requirepass: OWNER })
    const env = { WEBSOCKET_REDIS_URL: `redis://${hosts}`, WEBSOCKET_REDIS_CLUSTER: 'true' }
    await addUser(nodes, password, env)
    return onServers(nodes, env)
  },
}

/** Each of them gets the user: replicas do not learn users from their primary. */
async function addUser(
  servers: readonly RedisServer[],
  password: string,
  settings: Record<string, string>,
): Promise<void> {
  const rule = shippedRule(USER, aclPassword(password), settings).split(' ').slice(1)
  for (const server of servers) await change(server, rule)
}

async function change(server: RedisServer, [user = '', ...how]: readonly string[]): Promise<void> {
  const reply = await server.cli('ACL', 'SETUSER', user, ...how)
  if (reply !== 'OK') throw new Error(`the user could not be changed: ${reply}`)
}

function onServers(servers: readonly RedisServer[], env: Record<string, string>): RotatingRedis {
  const everywhere = async (how: string) => {
    for (const server of servers) await change(server, [USER, how])
  }
  return {
    env: { ...env, WEBSOCKET_REDIS_USERNAME: USER },
    accept: (next) => everywhere(aclPassword(next)),
    retire: (former) => everywhere(aclPassword(former).replace('#', '!')),
    async cutConnections() {
      for (const server of servers) await server.cli('CLIENT', 'KILL', 'USER', USER)
    },
    async connections() {
      const lists = servers.map(async (server) =>
        connectionsOf(await server.cli('CLIENT', 'LIST'), USER).map((id) => `${server.port} ${id}`),
      )
      return (await Promise.all(lists)).flat()
    },
  }
}

/** From `CLIENT LIST`. */
export function connectionsOf(list: string, user: string): string[] {
  return list
    .split('\n')
    .filter((line) => line.includes(` user=${user} `) && !line.includes(' cmd=client|'))
    .map((line) => /^id=(\d+)/.exec(line)?.[1] ?? '')
    .sort()
}
