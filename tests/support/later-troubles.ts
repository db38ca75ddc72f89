import { freePort } from './free-port.ts'
import {
  admit,
  at,
  BOTH,
  CHANNELS,
  KEYS,
  newPassword,
  serve,
  type TroubleCase,
} from './redis-trouble.ts'

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
    roles: BOTH,
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
