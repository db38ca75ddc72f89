import { aclPassword, shippedRule, startRedis } from './redis-server.ts'
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

export const aclUser: Topology = {
  title: 'standalone, an ACL user with two passwords for a while',
  async start(scope, password) {
    const user = 'roomwire'
    const redis = await startRedis(scope, {
      requirepass: 'of the owner',
      users: [shippedRule(user, aclPassword(password))],
    })
    const change = async (how: string) => {
      const reply = await redis.cli('ACL', 'SETUSER', user, how)
      if (reply !== 'OK') throw new Error(`the user could not be changed: ${reply}`)
    }
    return {
      env: {
        WEBSOCKET_REDIS_URL: `redis://127.0.0.1:${redis.port}`,
        WEBSOCKET_REDIS_USERNAME: user,
      },
      accept: (next) => change(aclPassword(next)),
      retire: (former) => change(aclPassword(former).replace('#', '!')),
      cutConnections: async () => void (await redis.cli('CLIENT', 'KILL', 'USER', user)),
      connections: async () => connectionsOf(await redis.cli('CLIENT', 'LIST'), user),
    }
  },
}

/** From `CLIENT LIST`. */
export function connectionsOf(list: string, user: string): string[] {
  return list
    .split('\n')
    .filter((line) => line.includes(` user=${user} `) && !line.includes(' cmd=client|'))
    .map((line) => /^id=(\d+)/.exec(line)?.[1] ?? '')
    .sort()
}
