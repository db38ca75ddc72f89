import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { boundedBody } from '../bounded-body.ts'
import { GatewayError } from '../errors.ts'

/** The public keys of an issuer, as it publishes them. */
export interface KeySet {
  /**
   * For jose. Rejects with GatewayError `UNAVAILABLE` while the issuer has never answered, with jose's
   * own errors where it has no such key.
   */
  key: JWTVerifyGetKey
}

export interface KeySetDeps {
  url: string
  fetch?: typeof fetch
  now?: () => number
  /** Told of every failure to read the keys, and of the first success after one. */
  failed(error: unknown): void
  recovered(): void
}

/** How old keys may get before they are read again; meanwhile they are used. */
const REFRESH_MS = 10 * 60_000
/** While the issuer does not answer its keys are good for this long: whoever has a token can connect. */
const STALE_MS = 24 * 3_600_000
/** Between two readings, also for a key that is not known: unknown ones are anybody's to invent. */
const COOLDOWN_MS = 10_000
const TIMEOUT_MS = 5000
const MAX_BYTES = 1024 * 1024
const MAX_KEYS = 200

/**
 * Reads the keys when somebody needs them. jose's own remote set forgets its keys when they are old,
 * and an issuer's outage would keep everybody out: this one goes on with what it has for a day.
 */
export function createKeySet(deps: KeySetDeps): KeySet {
  const { url } = deps
  const now = deps.now ?? Date.now
  const read = deps.fetch ?? fetch
  let keys: { find: ReturnType<typeof createLocalJWKSet>; at: number } | undefined
  let triedAt = Number.NEGATIVE_INFINITY
  let failing = false
  let reading: Promise<void> | undefined

  async function load(): Promise<void> {
    try {
      const response = await read(url, {
        headers: { accept: 'application/json' },
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      if (!response.ok) throw new Error(`the key set was answered with ${response.status}`)
      keys = { find: createLocalJWKSet(parse(await boundedBody(response, MAX_BYTES))), at: now() }
      if (failing) deps.recovered()
      failing = false
    } catch (error) {
      failing = true
      deps.failed(error)
    }
  }

  /** One reading at a time, and none soon after another. Never rejects. */
  function refresh(): Promise<void> {
    if (reading !== undefined) return reading
    if (now() - triedAt < COOLDOWN_MS) return Promise.resolve()
    triedAt = now()
    reading = load().finally(() => {
      reading = undefined
    })
    return reading
  }

  function current() {
    if (keys !== undefined && now() - keys.at <= STALE_MS) return keys
    throw new GatewayError('UNAVAILABLE', 'token: the keys to check it with cannot be had now', {
      retryAfterMs: 1000 + Math.round(Math.random() * 4000),
    })
  }

  return {
    async key(header, token) {
      if (keys === undefined || now() - keys.at > STALE_MS) await refresh()
      else if (now() - keys.at > REFRESH_MS) void refresh()
      const known = current()
      try {
        return await known.find(header, token)
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
        await refresh() // keys have been changed, perhaps
        const later = current()
        if (later === known) throw error
        return later.find(header, token)
      }
    },
  }
}

function parse(text: string): JSONWebKeySet {
  const set = JSON.parse(text) as Partial<JSONWebKeySet> | null
  if (!Array.isArray(set?.keys) || set.keys.length > MAX_KEYS) throw new Error('not a key set')
  // Secrets have no place among published keys, and would make HS tokens of anybody valid.
  return { keys: set.keys.filter((key) => key?.kty !== 'oct') }
}
