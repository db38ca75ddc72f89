import { aclPassword } from './redis-server.ts'
import type { Scope } from './scope.ts'
import { environment, PASSWORD, type SeededFault, secretFile, startRooms } from './seeded-fault.ts'

/** Between a Redis that answers and one that lets us in. */
export const logInFaults: readonly SeededFault[] = [
  {
    title: 'a setting that is not understood',
    id: 'settings',
    status: 'failed',
    remedy: /correct DEDUP_WINDOW/,
    arrange: async () => ({ env: { DEDUP_WINDOW: 'ten minutes' } }),
  },
  {
    title: 'a variable that is written wrong',
    id: 'settings',
    status: 'warning',
    remedy: /correct WEBSOCKET_REDIS_PASWORD/,
    async arrange(scope) {
      const redis = await startRooms(scope)
      return { env: await environment(scope, redis, { WEBSOCKET_REDIS_PASWORD: 'x' }) }
    },
  },
  {
    title: 'a password in the URL that may be encoded or not',
    id: 'password',
    status: 'warning',
    remedy: /WEBSOCKET_REDIS_PASSWORD_FILE/,
    async arrange(scope) {
      const redis = await startRooms(scope, { requirepass: 'canary-pAss' })
      return { env: inUrl(redis.port, 'canary-p%41ss') }
    },
  },
  {
    title: 'a password file that everybody may read',
    id: 'password',
    status: 'note',
    remedy: /chmod/,
    async arrange(scope) {
      const redis = await startRooms(scope)
      return {
        env: await environment(scope, redis, {
          WEBSOCKET_REDIS_PASSWORD_FILE: await secretFile(scope, PASSWORD, 0o644),
        }),
      }
    },
  },
  {
    title: 'no password',
    id: 'auth',
    status: 'failed',
    remedy: /set WEBSOCKET_REDIS_PASSWORD_FILE/,
    async arrange(scope) {
      const redis = await startRooms(scope)
      return { env: { WEBSOCKET_REDIS_URL: redis.url({}) } }
    },
  },
  {
    title: 'another password',
    id: 'auth',
    status: 'failed',
    remedy: /WEBSOCKET_REDIS_PASSWORD_FILE must hold what requirepass/,
    async arrange(scope) {
      const redis = await startRooms(scope, { requirepass: 'another' })
      return { env: await environment(scope, redis) }
    },
  },
  {
    title: 'a password in the URL whose percent-sequences belong to it',
    id: 'auth',
    status: 'failed',
    remedy: /percent-sequences of WEBSOCKET_REDIS_URL belong to the password/,
    async arrange(scope) {
      const redis = await startRooms(scope, { requirepass: 'canary%2Bpass' })
      return { env: inUrl(redis.port, 'canary%2Bpass') }
    },
  },
  {
    title: 'a password that is encoded where nothing is decoded',
    id: 'auth',
    status: 'failed',
    remedy: /WEBSOCKET_REDIS_PASSWORD is percent-encoded/,
    async arrange(scope) {
      const redis = await startRooms(scope)
      return {
        env: {
          WEBSOCKET_REDIS_URL: redis.url({}),
          WEBSOCKET_REDIS_PASSWORD: encodeURIComponent(PASSWORD),
        },
      }
    },
  },
  {
    title: 'quotes that were taken for a part of the password',
    id: 'auth',
    status: 'failed',
    remedy: /quotes around the password in WEBSOCKET_REDIS_PASSWORD/,
    also: ['password'],
    async arrange(scope) {
      const redis = await startRooms(scope)
      return {
        env: {
          WEBSOCKET_REDIS_URL: redis.url({}),
          WEBSOCKET_REDIS_PASSWORD: `"${PASSWORD}"`,
        },
      }
    },
  },
  {
    title: 'a password whose colon was forgotten',
    id: 'auth',
    status: 'failed',
    remedy: /":" before the password is missing in WEBSOCKET_REDIS_URL/,
    also: ['password'],
    async arrange(scope) {
      const redis = await startRooms(scope)
      return { env: { WEBSOCKET_REDIS_URL: `redis://${PASSWORD}@127.0.0.1:${redis.port}` } }
    },
  },
  {
    title: 'a user that does not exist, with the password of the default one',
    id: 'auth',
    status: 'failed',
    remedy: /the default user's.*WEBSOCKET_REDIS_USERNAME/,
    arrange: asUser(),
  },
  {
    title: 'a user that is switched off',
    id: 'auth',
    status: 'failed',
    remedy: /ACL GETUSER gw\. No such user, or off/,
    arrange: asUser(`user gw off ${aclPassword(PASSWORD)} ~* &* +@all`),
  },
  {
    title: 'a default user that needs no password',
    id: 'auth',
    status: 'warning',
    remedy: /ACL SETUSER default off/,
    async arrange(scope) {
      const redis = await startRooms(scope)
      await redis.cli('ACL', 'SETUSER', 'default', 'nopass')
      return { env: await environment(scope, redis) }
    },
  },
  {
    title: 'a database that does not exist',
    id: 'database',
    status: 'failed',
    remedy: /databases/,
    async arrange(scope) {
      const redis = await startRooms(scope)
      const WEBSOCKET_REDIS_URL = `${redis.url({})}/99`
      return { env: await environment(scope, redis, { WEBSOCKET_REDIS_URL }) }
    },
  },
  {
    title: 'an ACL user without our keys',
    id: 'rights',
    status: 'failed',
    remedy: /ACL SETUSER gw ~roomwire:\*/,
    arrange: asUser(`user gw on ${aclPassword(PASSWORD)} ~other:* &* +@all`),
  },
  {
    title: 'an ACL user without our channels',
    id: 'rights',
    status: 'failed',
    remedy: /ACL SETUSER gw &roomwire:\*/,
    arrange: asUser(`user gw on ${aclPassword(PASSWORD)} ~* resetchannels &other:* +@all`),
  },
  {
    title: 'an ACL user that may not subscribe',
    id: 'rights',
    status: 'failed',
    remedy: /ACL SETUSER gw \+subscribe/,
    arrange: asUser(`user gw on ${aclPassword(PASSWORD)} ~* &* +@all -subscribe`),
  },
  {
    title: 'an ACL user that may not add to streams',
    id: 'rights',
    status: 'failed',
    remedy: /ACL SETUSER gw \+xadd/,
    arrange: asUser(`user gw on ${aclPassword(PASSWORD)} ~* &* +@all -xadd`),
  },
  {
    title: 'a server that shows neither INFO nor CONFIG, as managed ones do',
    id: 'info',
    status: 'note',
    remedy: /\+info/,
    arrange: asUser(`user gw on ${aclPassword(PASSWORD)} ~* &* +@all -info -config`),
  },
]

function inUrl(port: number, password: string): Record<string, string> {
  return { WEBSOCKET_REDIS_URL: `redis://:${password}@127.0.0.1:${port}` }
}

/** A gateway that logs in as `gw`, who has the story's password if anybody. */
function asUser(line?: string) {
  return async (scope: Scope) => {
    const requirepass = line === undefined ? PASSWORD : 'of the owner'
    const redis = await startRooms(scope, {
      requirepass,
      ...(line === undefined ? {} : { users: [line] }),
    })
    const gateway = await environment(scope, redis, { WEBSOCKET_REDIS_USERNAME: 'gw' })
    return { env: gateway }
  }
}
