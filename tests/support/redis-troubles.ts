import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeCertificates } from './certificates.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import { aclPassword, type RedisOptions, type RedisServer, startRedis } from './redis-server.ts'
import type { Scope } from './scope.ts'
import { startTcpProxy } from './tcp-proxy.ts'

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

/** The rights of a user made for one gateway. */
const KEYS = '~roomwire:*'
const CHANNELS = '&roomwire:*'
const BOTH = ['rooms', 'cache'] as const
const NOWHERE = 'redis.roomwire.invalid'

/** There before the gateway starts. */
export const startTroubles: readonly TroubleCase[] = [
  {
    title: 'a wrong password',
    kind: 'wrongpass',
    roles: BOTH,
    refusesSends: true,
    async arrange(scope, passwords) {
      const redis = await startRedis(scope, { requirepass: newPassword() })
      return { address: at(redis), end: () => admit(redis, 'default', passwords) }
    },
  },
  {
    title: 'no password where one is needed',
    kind: 'noauth',
    roles: BOTH,
    refusesSends: true,
    async arrange(scope) {
      const redis = await startRedis(scope, { requirepass: newPassword() })
      return {
        address: { ...at(redis), withoutPassword: true },
        end: () => redis.cli('ACL', 'SETUSER', 'default', 'nopass'),
      }
    },
  },
  {
    title: 'an ACL user without the channels',
    kind: 'noperm',
    roles: ['rooms'],
    refusesSends: true,
    async arrange(scope, passwords) {
      const redis = await serve(scope, passwords)
      await admit(redis, 'gw', passwords, KEYS, '+@all')
      return {
        address: { ...at(redis), username: 'gw' },
        end: () => admit(redis, 'gw', [], CHANNELS),
      }
    },
  },
  {
    title: 'an ACL user without the keys',
    kind: 'noperm',
    roles: BOTH,
    refusesSends: true,
    async arrange(scope, passwords) {
      const redis = await serve(scope, passwords)
      await admit(redis, 'gw', passwords, CHANNELS, '+@all')
      return { address: { ...at(redis), username: 'gw' }, end: () => admit(redis, 'gw', [], KEYS) }
    },
  },
  {
    title: 'a host name that does not resolve',
    kind: 'dns',
    roles: BOTH,
    refusesSends: true,
    async arrange(scope, passwords) {
      const redis = await serve(scope, passwords)
      const hosts = join(redis.dir, 'hosts')
      return {
        address: { host: NOWHERE, port: redis.port },
        nodeArgs: ['--import', hostsFile(hosts)],
        end: () => writeFile(hosts, NOWHERE),
      }
    },
  },
  {
    title: 'a port that refuses',
    kind: 'refused',
    roles: BOTH,
    refusesSends: true,
    async arrange(scope, passwords) {
      const port = await freePort()
      return {
        address: { host: '127.0.0.1', port },
        end: () => serve(scope, passwords, { port }),
      }
    },
  },
  {
    title: 'TLS to a plain port',
    kind: 'tls',
    roles: BOTH,
    refusesSends: true,
    async arrange(scope, passwords) {
      const tls = await makeCertificates(scope)
      const [plain, encrypted] = await Promise.all([
        serve(scope, passwords),
        serve(scope, passwords, { tls }),
      ])
      const proxy = await startTcpProxy(scope, { target: plain })
      return {
        address: { ...at(proxy), tls: true, caFile: tls.caFile },
        end: () => proxy.retarget(encrypted),
      }
    },
  },
  {
    title: 'plain text to a TLS port',
    kind: 'closed',
    roles: BOTH,
    refusesSends: true,
    async arrange(scope, passwords) {
      const tls = await makeCertificates(scope)
      const [plain, encrypted] = await Promise.all([
        serve(scope, passwords),
        serve(scope, passwords, { tls }),
      ])
      const proxy = await startTcpProxy(scope, { target: encrypted })
      return { address: at(proxy), end: () => proxy.retarget(plain) }
    },
  },
  {
    title: 'TLS by an unknown authority',
    kind: 'tls',
    roles: BOTH,
    refusesSends: true,
    async arrange(scope, passwords) {
      const [known, unknown] = await Promise.all([makeCertificates(scope), makeCertificates(scope)])
      const [right, wrong] = await Promise.all([
        serve(scope, passwords, { tls: known }),
        serve(scope, passwords, { tls: unknown }),
      ])
      const proxy = await startTcpProxy(scope, { target: wrong })
      return {
        address: { ...at(proxy), tls: true, caFile: known.caFile },
        end: () => proxy.retarget(right),
      }
    },
  },
  {
    title: 'a Redis that is frozen',
    kind: 'timeout',
    roles: BOTH,
    refusesSends: true,
    async arrange(scope, passwords) {
      const redis = await serve(scope, passwords)
      redis.pause()
      return { address: at(redis), end: redis.resume }
    },
  },
  {
    title: 'a Redis that is loading its data',
    kind: 'loading',
    roles: BOTH,
    refusesSends: true,
    async arrange(scope, passwords) {
      // It serves requests in between only every so many bytes, and pauses at every key.
      const config = ['loading-process-events-interval-bytes 1024', 'key-load-delay 20000']
      const redis = await serve(scope, passwords, { config })
      const fill = "for i = 1, 2000 do redis.call('SET', 'filler' .. i, string.rep('x', 1000)) end"
      await redis.cli('EVAL', fill, '0')
      await redis.cli('CONFIG', 'SET', 'rdbcompression', 'no')
      await redis.cli('SAVE')
      await redis.stop()
      const loaded = redis.start()
      await eventually(async () => (await redis.cli('PING')).startsWith('LOADING'))
      return {
        address: at(redis),
        async end() {
          await redis.cli('CONFIG', 'SET', 'key-load-delay', '0')
          await loaded
          await admit(redis, 'default', passwords)
        },
      }
    },
  },
  {
    title: 'a read-only replica',
    kind: 'readonly',
    roles: BOTH,
    refusesSends: true,
    async arrange(scope, passwords) {
      const primary = await startRedis(scope, { config: ['repl-diskless-sync-delay 0'] })
      const replica = await serve(scope, passwords, {
        config: [`replicaof 127.0.0.1 ${primary.port}`],
      })
      await eventually(async () =>
        (await replica.cli('INFO', 'replication')).includes('master_link_status:up'),
      )
      return { address: at(replica), end: () => replica.cli('REPLICAOF', 'NO', 'ONE') }
    },
  },
]

/** These begin while a gateway and its clients are at work. */
export const laterTroubles: readonly TroubleCase[] = [
  {
    title: 'Redis dies',
    kind: 'refused',
    roles: BOTH,
    refusesSends: true,
    async arrange(scope, passwords) {
      const redis = await serve(scope, passwords, { appendonly: 'always' })
      return {
        address: at(redis),
        begin: redis.kill,
        async end() {
          await redis.start()
          await admit(redis, 'default', passwords)
        },
      }
    },
  },
  {
    title: 'Redis freezes',
    kind: 'timeout',
    roles: BOTH,
    refusesSends: true,
    async arrange(scope, passwords) {
      const redis = await serve(scope, passwords)
      return { address: at(redis), begin: redis.pause, end: redis.resume }
    },
  },
  {
    title: 'the password changes and its connections are cut',
    kind: 'wrongpass',
    roles: BOTH,
    refusesSends: true,
    async arrange(scope, passwords) {
      const redis = await serve(scope, passwords)
      await admit(redis, 'gw', passwords, KEYS, CHANNELS, '+@all')
      return {
        address: { ...at(redis), username: 'gw' },
        async begin() {
          await admit(redis, 'gw', [newPassword()], 'resetpass')
          await redis.cli('CLIENT', 'KILL', 'USER', 'gw')
        },
        end: () => admit(redis, 'gw', passwords),
      }
    },
  },
  {
    title: 'the right to the channels is withdrawn',
    kind: 'noperm',
    roles: ['rooms'],
    refusesSends: false,
    async arrange(scope, passwords) {
      const redis = await serve(scope, passwords)
      await admit(redis, 'gw', passwords, KEYS, CHANNELS, '+@all')
      return {
        address: { ...at(redis), username: 'gw' },
        begin: () => admit(redis, 'gw', [], 'resetchannels'),
        end: () => admit(redis, 'gw', [], CHANNELS),
      }
    },
  },
  {
    title: 'Redis becomes a replica of one that is gone',
    kind: 'readonly',
    roles: BOTH,
    refusesSends: true,
    async arrange(scope, passwords) {
      const redis = await serve(scope, passwords)
      const nobody = String(await freePort())
      return {
        address: at(redis),
        begin: () => redis.cli('REPLICAOF', '127.0.0.1', nobody),
        end: () => redis.cli('REPLICAOF', 'NO', 'ONE'),
      }
    },
  },
  {
    title: 'Redis is out of memory',
    kind: 'oom',
    roles: BOTH,
    refusesSends: true,
    async arrange(scope, passwords) {
      const redis = await serve(scope, passwords)
      return {
        address: at(redis),
        begin: () => redis.cli('CONFIG', 'SET', 'maxmemory', '1'),
        end: () => redis.cli('CONFIG', 'SET', 'maxmemory', '0'),
      }
    },
  },
]

export function newPassword(): string {
  return randomBytes(32).toString('base64')
}

function at({ host, port }: { host: string; port: number }): RedisAddress {
  return { host, port }
}

async function serve(
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
async function admit(
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
function hostsFile(path: string): string {
  const source = `
    import dns from 'node:dns'
    import { existsSync } from 'node:fs'
    const ask = dns.lookup
    dns.lookup = (name, options, done) => {
      if (name !== '${NOWHERE}' || !existsSync(${JSON.stringify(path)})) return ask(name, options, done)
      const [address, family] = ['127.0.0.1', 4]
      setImmediate(() => options.all ? done(null, [{ address, family }]) : done(null, address, family))
    }`
  return `data:text/javascript,${encodeURIComponent(source)}`
}
