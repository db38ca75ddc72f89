import { LRUCache } from 'lru-cache'
import { boundedBody } from '../bounded-body.ts'
import { GatewayError } from '../errors.ts'
import { inTurn, type Semaphore } from '../in-turn.ts'
import type { Identity } from './identity.ts'
import { forbidden, type RoomAction, type RoomPolicy, type Verdict } from './policy.ts'
import { createRoomPatterns } from './room-patterns.ts'

export interface AuthorizerPolicyOptions {
  url: string
  /** Bearer token that the application can tell us by; it may change. */
  secret: (() => string) | undefined
  timeoutMs: number
  cacheTtlMs: number
  publicRooms: readonly string[]
  fetch?: typeof fetch
  /** Told of what kept an answer from us. */
  failed(error: unknown): void
}

/** Questions under way at once, and those that wait for their turn. */
const CONCURRENT = 64
const MAX_WAITING = 5000
const MAX_ANSWERS = 50_000
const MAX_REPLY_BYTES = 64 * 1024

/**
 * Asks an application: POST `{ user, action, room, claims }`; `{ "allow": true }` with
 * status 200 lets pass, `{ "allow": false }` or 403 refuses. Anything else, or nothing in time, is no
 * answer: refused as UNAVAILABLE, and not remembered. The same question is asked once at a time.
 */
export function createAuthorizerPolicy(options: AuthorizerPolicyOptions): RoomPolicy {
  const ask = options.fetch ?? fetch
  const open = createRoomPatterns(options.publicRooms)
  const answers = new LRUCache<string, boolean>({
    max: MAX_ANSWERS,
    ttl: Math.max(1, options.cacheTtlMs),
  })
  const asking = new Map<string, Promise<Verdict>>()
  const questions: Semaphore = { running: 0, queue: undefined }

  async function question(identity: Identity, action: RoomAction, room: string): Promise<boolean> {
    const response = await ask(options.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(options.secret === undefined ? {} : { authorization: `Bearer ${options.secret()}` }),
      },
      body: JSON.stringify({
        ...{ user: identity.user.id, action, room },
        claims: identity.token?.claims ?? null,
      }),
      redirect: 'error',
      signal: AbortSignal.timeout(options.timeoutMs),
    })
    if (response.status === 403) {
      await response.body?.cancel()
      return false
    }
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new Error(`AUTHORIZE_URL answered with ${response.status}`)
    }
    const allow = (
      JSON.parse(await boundedBody(response, MAX_REPLY_BYTES)) as { allow?: unknown } | null
    )?.allow
    if (typeof allow !== 'boolean') throw new Error('AUTHORIZE_URL did not say whether to allow it')
    return allow
  }

  async function decide(
    key: string,
    identity: Identity,
    action: RoomAction,
    room: string,
  ): Promise<Verdict> {
    try {
      const allowed = await inTurn(questions, CONCURRENT, () => question(identity, action, room))
      if (options.cacheTtlMs > 0) answers.set(key, allowed)
      return allowed || forbidden(action)
    } catch (error) {
      options.failed(error)
      return unavailable()
    } finally {
      asking.delete(key)
    }
  }

  return {
    may(identity, action, room) {
      const { user, token } = identity
      if (open.match(room, user.id)) return true
      // A user's tokens may say different things, also those of the same second.
      const key = JSON.stringify([identity.sender, token?.expiresAt, token?.claims, action, room])
      const known = answers.get(key)
      if (known !== undefined) return known || forbidden(action)
      const asked = asking.get(key)
      if (asked !== undefined) return asked
      if ((questions.queue?.length ?? 0) >= MAX_WAITING) return unavailable()
      const verdict = decide(key, identity, action, room)
      asking.set(key, verdict)
      return verdict
    },
  }
}

function unavailable(): GatewayError {
  return new GatewayError('UNAVAILABLE', 'room: it cannot be told now whether you may', {
    retryAfterMs: 500 + Math.round(Math.random() * 1000),
  })
}
