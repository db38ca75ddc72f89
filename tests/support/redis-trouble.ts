import { randomBytes } from 'node:crypto'
import { aclPassword, type RedisOptions, type RedisServer, startRedis } from './redis-server.ts'
import type { Scope } from './scope.ts'

/** Where a gateway is told to find Redis. */
export interface RedisAddress {
  tls?: boolean
  host: string
  port: number
  username?: string
  /** The gateway is to be given no password. */
  withoutPassword?: true
  caFile?: string
}

/** Something that is wrong between a gateway and its Redis, and how it ends. */
export interface Trouble {
  address: RedisAddress
  /** Begins it, where Redis works at first; absent where it was there before the gateway. */
  begin?: () => unknown
  /** Mends the cause and leaves the gateway alone. */
  end: () => unknown
  /** For the gateway's process. */
  nodeArgs?: readonly string[]
}

export interface TroubleCase {
  title: string
  /** What the gateway has to call it. */
  kind: string
  /** Roles that cannot work, of a gateway that has both at this address. */
  roles: readonly ('rooms' | 'cache')[]
  /** Whether a send fails while it lasts; otherwise it is stored, and heard of afterwards. */
  refusesSends: boolean
  /** Starts real servers that accept each of `passwords` where the password is not the trouble. */
  arrange(scope: Scope, passwords: readonly string[]): Promise<Trouble>
}

/** The rights of a user made for one gateway, and all its roles. */
export const KEYS = '~roomwire:*'
export const CHANNELS = '&roomwire:*'
export const BOTH = ['rooms', 'cache'] as const

export function newPassword(): string {
  return randomBytes(32).toString('base64')
}

export function at({ host, port }: { host: string; port: number }): RedisAddress {
  return { host, port }
}

/** A server that accepts each of `passwords` of its default user. */
export async function serve(
  scope: Scope,
  passwords: readonly string[],
  options: RedisOptions = {},
): Promise<RedisServer> {
  const [requirepass = newPassword(), ...others] = passwords
  const redis = await startRedis(scope, { ...options, requirepass })
  await admit(redis, 'default', others)
  return redis
}

/** Adds passwords and rules to a user. */
export async function admit(
  redis: RedisServer,
  user: string,
  passwords: readonly string[],
  ...rules: readonly string[]
): Promise<void> {
  const secrets = passwords.map((password) => aclPassword(password))
  const reply = await redis.cli('ACL', 'SETUSER', user, 'on', ...rules, ...secrets)
  if (reply !== 'OK') throw new Error(`the user could not be changed: ${reply}`)
}

/**
 * A hosts file for one process: nobody's resolver knows a name that ends in `.invalid` (RFC 6761),
 * and the machine's own file is not ours to change. Until it exists the system is asked.
 */
export function hostsFile(name: string, path: string): string {
  const source = `
    import dns from 'node:dns'
    import { existsSync } from 'node:fs'
    const ask = dns.lookup
    dns.lookup = (host, options, done) => {
      if (host !== ${JSON.stringify(name)} || !existsSync(${JSON.stringify(path)})) return ask(host, options, done)
      const [address, family] = ['127.0.0.1', 4]
      setImmediate(() => options.all ? done(null, [{ address, family }]) : done(null, address, family))
    }`
  return `data:text/javascript,${encodeURIComponent(source)}`
}
