import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeCertificates } from './certificates.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import { startRedis } from './redis-server.ts'
import {
  admit,
  at,
  BOTH,
  CHANNELS,
  hostsFile,
  KEYS,
  newPassword,
  serve,
  type TroubleCase,
} from './redis-trouble.ts'
import { startTcpProxy } from './tcp-proxy.ts'

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
    roles: BOTH,
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
    title: 'an ACL user that may not run scripts',
    kind: 'noperm',
    roles: BOTH,
    refusesSends: true,
    async arrange(scope, passwords) {
      const redis = await serve(scope, passwords)
      await admit(redis, 'gw', passwords, KEYS, CHANNELS, '+@all', '-evalsha')
      return {
        address: { ...at(redis), username: 'gw' },
        end: () => admit(redis, 'gw', [], '+evalsha'),
      }
    },
  },
  {
    title: 'an ACL user that lacks what a script runs',
    kind: 'noperm',
    roles: ['rooms'],
    refusesSends: true,
    async arrange(scope, passwords) {
      const redis = await serve(scope, passwords)
      await admit(redis, 'gw', passwords, KEYS, CHANNELS, '+@all', '-xrevrange')
      return {
        address: { ...at(redis), username: 'gw' },
        end: () => admit(redis, 'gw', [], '+xrevrange'),
      }
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
        nodeArgs: ['--import', hostsFile(NOWHERE, hosts)],
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
      loaded.catch(() => undefined) // ended before the trouble was
      scope.defer(redis.kill)
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
