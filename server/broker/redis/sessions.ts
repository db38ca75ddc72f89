import { createHash } from 'node:crypto'
import type { FormerConnection, SessionStore } from '../../session/sessions.ts'
import type { RedisLink } from './link.ts'

/** How long an ended session's next connection counts as a reconnection. */
const REMEMBER_MS = 3_600_000
/** How long a connection that nobody saw end is remembered. */
const REMEMBER_LIVE_MS = 86_400_000

/** KEYS record. ARGV connection, value, TTL (ms). Writes only over the same connection's record. */
const CLOSE = `
local record = redis.call('GET', KEYS[1])
if not record or string.sub(record, 1, #ARGV[1] + 1) ~= ARGV[1] .. ' ' then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`

/** Records are `<connection> <at> <instance> <cause>`; keys hold a hash, since a session is a secret. */
export function createRedisSessions(link: RedisLink, keyPrefix: string): SessionStore {
  const keyOf = (session: string) =>
    `${keyPrefix}:session:${createHash('sha256').update(session).digest('base64url')}`

  return {
    async opened(session, connection, instance) {
      const record = `${connection} ${Date.now()} ${instance} `
      const ttl = String(REMEMBER_LIVE_MS)
      const former = await link.command(['SET', keyOf(session), record, 'PX', ttl, 'GET'])
      return typeof former === 'string' ? parse(former) : undefined
    },
    async closed(session, connection, instance, cause) {
      const record = `${connection} ${Date.now()} ${instance} ${cause}`
      const ttl = String(REMEMBER_MS)
      await link.command(['EVAL', CLOSE, '1', keyOf(session), connection, record, ttl])
    },
  }
}

function parse(record: string): FormerConnection | undefined {
  const match = /^\S+ (\d+) (\S+) (.*)$/.exec(record)
  if (match === null) return undefined
  const [, at, instance = '', cause = ''] = match
  return { instance, at: Number(at), cause: cause === '' ? undefined : cause }
}
