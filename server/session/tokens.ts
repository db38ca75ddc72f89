import { type KeyObject, webcrypto } from 'node:crypto'
import {
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose'
import { GatewayError } from '../errors.ts'
import { MAX_ID_LENGTH } from '../protocol.ts'
import type { TokenKey } from '../token-key.ts'
import type { VerifiedToken } from './identity.ts'

/** Whom a token is for, and what it says. */
export interface TokenHolder {
  user: string
  name: string | undefined
  token: VerifiedToken
}

export interface Tokens {
  /**
   * Checks signature, algorithm, times, issuer and audience.
   *
   * @throws GatewayError UNAUTHORIZED saying what is wrong; UNAVAILABLE where the keys cannot be had
   */
  verify(token: string): Promise<TokenHolder>
}

export interface TokensDeps {
  /** Keys that count now, the likeliest first; or where to look for one, for algorithms with public keys. */
  keys: { current(): readonly TokenKey[] } | { find: JWTVerifyGetKey }
  issuer: string | undefined
  audience: string | undefined
  clockSkewMs: number
  userClaim: string
  nameClaim: string
  now?: () => number
}

/** Of keys that an issuer publishes: never HS, for which a public key would be the secret. */
const PUBLISHED = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
]
const MAX_TOKEN_LENGTH = 16_384
const MAX_NAME_LENGTH = 64

export function createTokens(deps: TokensDeps): Tokens {
  const { keys, userClaim, nameClaim } = deps
  const now = deps.now ?? Date.now
  const rules: JWTVerifyOptions = {
    clockTolerance: deps.clockSkewMs / 1000,
    requiredClaims: ['exp'],
    ...(deps.issuer === undefined ? {} : { issuer: deps.issuer }),
    ...(deps.audience === undefined ? {} : { audience: deps.audience }),
  }

  const finders = new WeakMap<TokenKey, JWTVerifyGetKey>()
  function finderOf(key: TokenKey): JWTVerifyGetKey {
    let finder = finders.get(key)
    if (finder === undefined) {
      finder = importing(key.key)
      finders.set(key, finder)
    }
    return finder
  }

  async function check(token: string): Promise<JWTPayload> {
    const at = { ...rules, currentDate: new Date(now()) }
    if ('find' in keys) {
      return (await jwtVerify(token, keys.find, { ...at, algorithms: PUBLISHED })).payload
    }
    let refusal: unknown
    for (const key of keys.current()) {
      try {
        const own = { ...at, algorithms: [...key.algorithms] }
        return (await jwtVerify(token, finderOf(key), own)).payload
      } catch (error) {
        if (!isOfAnotherKey(error)) throw error
        refusal ??= error
      }
    }
    throw refusal
  }

  async function payloadOf(token: string): Promise<JWTPayload> {
    try {
      return await check(token)
    } catch (error) {
      if (error instanceof GatewayError) throw error
      throw new GatewayError('UNAUTHORIZED', `token: ${wording(error)}`, { cause: error })
    }
  }

  return {
    async verify(text) {
      if (text.length > MAX_TOKEN_LENGTH) {
        throw new GatewayError('UNAUTHORIZED', `token: is longer than ${MAX_TOKEN_LENGTH}`)
      }
      const claims = await payloadOf(text)
      const user = own(claims, userClaim)
      if (typeof user !== 'string' || !isUserId(user)) {
        const message = `token: ${userClaim} must be a string of 1 to ${MAX_ID_LENGTH} characters`
        throw new GatewayError('UNAUTHORIZED', message)
      }
      const { jti, iat = Number.NEGATIVE_INFINITY, exp = 0 } = claims
      if (iat * 1000 > now() + deps.clockSkewMs) {
        throw new GatewayError('UNAUTHORIZED', 'token: is not valid yet')
      }
      return {
        user,
        name: shownName(own(claims, nameClaim)),
        token: {
          id: typeof jti === 'string' ? jti : undefined,
          issuedAt: iat * 1000,
          expiresAt: exp * 1000,
          claims,
        },
      }
    },
  }
}

/** jose keeps what it makes of a public key, but imports a secret anew for each token: 120 µs, not 35. */
function importing(key: KeyObject): JWTVerifyGetKey {
  if (key.type !== 'secret') return async () => key
  const imported = new Map<string, Promise<webcrypto.CryptoKey>>()
  return ({ alg }) => {
    let found = imported.get(alg)
    if (found === undefined) {
      const hmac = { name: 'HMAC', hash: `SHA-${alg.slice('HS'.length)}` }
      found = webcrypto.subtle.importKey('raw', key.export(), hmac, false, ['verify'])
      imported.set(alg, found)
    }
    return found
  }
}

function isOfAnotherKey(error: unknown): boolean {
  return (
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JOSEAlgNotAllowed
  )
}

/** A claim of the token itself: `constructor` and the like are none. */
function own(claims: JWTPayload, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined
}

export function isUserId(user: string): boolean {
  return user.length > 0 && user.length <= MAX_ID_LENGTH && user.isWellFormed()
}

/** A name is for show: one that is too long is cut, one that is none is left out. */
export function shownName(name: unknown): string | undefined {
  if (typeof name !== 'string') return undefined
  return name.slice(0, MAX_NAME_LENGTH).toWellFormed().trim() || undefined
}

/** Nothing of the token, and nothing that helps to make one. */
function wording(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'has expired'
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, reason } = error
    if (claim === 'nbf') return 'is not valid yet'
    if (claim === 'exp') return 'has no time of expiry (exp)'
    if (claim === 'iat') return 'has no valid time of issue (iat)'
    if (claim === 'aud') return 'is for another audience'
    if (claim === 'iss') return 'is from another issuer'
    return reason === 'missing' ? `lacks ${claim}` : `has a ${claim} that is not valid`
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return 'is signed with an algorithm that is not allowed'
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return 'has a signature that does not match'
  if (error instanceof errors.JWKSNoMatchingKey) return 'is signed with a key that is not known'
  return 'is not a valid token'
}
