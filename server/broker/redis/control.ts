import { GatewayError } from '../../errors.ts'
import type { ControlMessage, ControlStore, Revocation } from '../../session/revocations.ts'
import { RedisFailure } from './failure.ts'
import type { RedisLink } from './link.ts'
import { callScript } from './script-call.ts'
import { script } from './scripts.ts'

/** About 10 MB of Redis; a deployment that revokes more has other troubles. */
const MAX_REVOCATIONS = 100_000
const PAGE = 5000

/**
 * KEYS until, at: what is revoked, by when it may be forgotten and by when it was. ARGV member, until,
 * at, now, most, PUBLISH or SPUBLISH, channel, message. Returns 1, or 0 where there are too many. A repeat moves both on.
 */
const REVOKE = script(
  'revoke',
  `
local old = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[4], 'LIMIT', 0, 1000)
for _, member in ipairs(old) do
  redis.call('ZREM', KEYS[1], member)
  redis.call('ZREM', KEYS[2], member)
end
local before = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not before and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[5]) then return 0 end
local until_ = ARGV[2]
if before and tonumber(before) > tonumber(until_) then until_ = before end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('ZADD', KEYS[1], until_, ARGV[1])
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
for _, key in ipairs(KEYS) do redis.call('PEXPIREAT', key, string.format('%.0f', tonumber(last))) end
redis.call(ARGV[6], ARGV[7], ARGV[8])
return 1`,
)

/** KEYS until, at. ARGV now, first, count. Returns { member, until, at, … }, the longest-lived first. */
const STANDING = script(
  'standing',
  `
local reply = {}
local found = redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', ARGV[1], 'WITHSCORES', 'LIMIT', ARGV[2], ARGV[3])
for i = 1, #found, 2 do
  reply[#reply + 1] = found[i]
  reply[#reply + 1] = found[i + 1]
  reply[#reply + 1] = redis.call('ZSCORE', KEYS[2], found[i]) or '0'
end
return reply`,
)

/** Control among instances that share a Redis: two sorted sets, and a channel. */
export function createRedisControl(link: RedisLink, keyPrefix: string): ControlStore {
  const keys = [`${keyPrefix}:{revoked}:until`, `${keyPrefix}:{revoked}:at`]
  const channel = `${keyPrefix}:{revoked}:control` // where the keys are, for the script
  const publish = link.sharded ? 'SPUBLISH' : 'PUBLISH'

  const page = (first: number) =>
    callScript(link.command, STANDING, keys, [String(Date.now()), String(first), String(PAGE)])

  return {
    async revoke(revocation) {
      const message: ControlMessage = { kind: 'revoke', revocation }
      const args = [
        memberOf(revocation),
        String(revocation.until),
        String(revocation.at),
        String(Date.now()),
        String(MAX_REVOCATIONS),
        publish,
        channel,
        JSON.stringify(message),
      ]
      const noted: unknown = await callScript(link.command, REVOKE, keys, args).catch(rethrow)
      if (noted !== 1) {
        throw new GatewayError('LIMIT_REACHED', `more than ${MAX_REVOCATIONS} revocations stand`)
      }
    },
    async tell(message) {
      await link.command([publish, channel, JSON.stringify(message)]).catch(rethrow)
    },
    async standing() {
      const all: Revocation[] = []
      for (let first = 0; ; first += PAGE) {
        const reply = await page(first).catch(rethrow)
        for (let index = 0; index + 2 < reply.length; index += 3) {
          const [member, until, at] = reply.slice(index, index + 3).map(String)
          all.push(revocationOf(String(member), Number(at), Number(until)))
        }
        if (reply.length < PAGE * 3) return all
      }
    },
    listen({ heard, interrupted }) {
      // Not confirmed while there is no connection: the next one has it before it counts as up.
      const listen = () =>
        link.subscribe(channel, (bytes) => {
          const message = parse(bytes.toString())
          if (message !== undefined) heard(message)
        })
      link.onRestored(() => void listen().then(interrupted, () => undefined)) // then comes the next
      // Not connected: the first restoration says when it is.
      listen().then(
        () => link.state.name === 'ok' && interrupted(),
        () => undefined,
      )
    },
  }
}

function memberOf(revocation: Revocation): string {
  return 'user' in revocation ? `u${revocation.user}` : `t${revocation.tokenId}`
}

function revocationOf(member: string, at: number, until: number): Revocation {
  const name = member.slice(1)
  return member.startsWith('u') ? { user: name, at, until } : { tokenId: name, at, until }
}

/** What somebody else publishes there must not end anything here. */
function parse(text: string): ControlMessage | undefined {
  try {
    const message = JSON.parse(text) as Partial<Record<string, unknown>> | null
    if (message?.['kind'] === 'disconnect' && typeof message['user'] === 'string') {
      return { kind: 'disconnect', user: message['user'], reconnect: message['reconnect'] === true }
    }
    if (message?.['kind'] !== 'revoke') return undefined
    const { user, tokenId, at, until } = (message['revocation'] ?? {}) as Record<string, unknown>
    if (typeof at !== 'number' || typeof until !== 'number') return undefined
    const times = { at, until }
    if (typeof user === 'string') return { kind: 'revoke', revocation: { user, ...times } }
    if (typeof tokenId === 'string') return { kind: 'revoke', revocation: { tokenId, ...times } }
    return undefined
  } catch {
    return undefined
  }
}

function rethrow(error: unknown): never {
  if (!(error instanceof RedisFailure)) throw error
  throw new GatewayError(
    error.outcomeUnknown ? 'OUTCOME_UNKNOWN' : 'UNAVAILABLE',
    error.outcomeUnknown
      ? 'it is not known whether all instances have heard of it; repeat it'
      : 'the other instances cannot be told now',
    { cause: error, retryAfterMs: 1000 },
  )
}
