import { hash } from 'node:crypto'
import { LEASE_MS, type UserLedger } from '../../session/user-ledger.ts'
import type { RedisLink } from './link.ts'
import { NOW } from './now.ts'
import { callScript } from './script-call.ts'
import { script } from './scripts.ts'

/**
 * KEYS places: connections by the end of their lease. ARGV connection, most ('' for any number),
 * lease (ms). Returns 1 where it has a place. Times are Redis's, so that instances need not agree.
 */
const TAKE = script(
  'take',
  `
${NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local most = tonumber(ARGV[2])
if most and redis.call('ZCARD', KEYS[1]) >= most and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 0
end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`,
)

/** KEYS count. ARGV amount, life (ms). */
const USE = script(
  'use',
  `
local total = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return total`,
)

/** One key for each user and purpose; a call for each, of which the client writes many in one go. */
export function createRedisLedger(link: RedisLink, keyPrefix: string): UserLedger {
  // A hash: users are named by their issuer, at any length and with any character.
  const key = (what: string, user: string) =>
    `${keyPrefix}:${what}:{${hash('sha256', user, 'base64url')}}`

  const take = (user: string, connection: string, most: string): Promise<unknown> =>
    callScript(link.command, TAKE, [key('places', user)], [connection, most, String(LEASE_MS)])

  return {
    take: async (user, connection, max) => (await take(user, connection, String(max))) === 1,
    async renew(leases) {
      await Promise.all(leases.map(({ user, connection }) => take(user, connection, '')))
    },
    async give({ user, connection }) {
      await link.command(['ZREM', key('places', user), connection])
    },
    use: (uses) =>
      Promise.all(
        uses.map(async ({ user, what, amount, keepMs }) =>
          Number(
            await callScript(
              link.command,
              USE,
              [key(`used:${what}`, user)],
              [String(amount), String(keepMs)],
            ),
          ),
        ),
      ),
  }
}
