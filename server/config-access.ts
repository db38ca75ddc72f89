import type { Rate } from './option-access-types.ts'
import type { OptionReader } from './option-reader.ts'
import { options } from './options.ts'
import { DEFAULT_RATES, type RateName } from './options-access.ts'
import { readTokenKey, type TokenKey, type TokenKeySource } from './token-key.ts'

/** How tokens are checked; times in ms. */
export interface AuthConfig {
  keys: TokenKeys
  issuer: string | undefined
  audience: string | undefined
  clockSkewMs: number
  userClaim: string
  nameClaim: string
  cookie: string | undefined
}

export type TokenKeys =
  | {
      kind: 'file'
      source: TokenKeySource
      path: string
      content: Uint8Array
      key: TokenKey
      /** How long the key before the newest still counts, ms. */
      overlapMs: number
    }
  | { kind: 'jwks'; url: string }

export interface PolicyConfig {
  fallback: 'open' | 'private'
  publicRooms: readonly string[]
  claim: string
  /** Who is asked instead of the claim. */
  authorizer: AuthorizerConfig | undefined
}

export interface AuthorizerConfig {
  url: string
  /** And the file it came from. */
  secret: { text: string; path: string } | undefined
  timeoutMs: number
  cacheTtlMs: number
}

export interface LimitsConfig {
  rates: Partial<Record<RateName, Rate>>
  /** 0: no limit. */
  maxConnectionsPerUser: number
}

export interface AccessConfig {
  /** Undefined: `AUTH_MODE` is `none`. */
  auth: AuthConfig | undefined
  policy: PolicyConfig
  limits: LimitsConfig
  /** Proxies in front, or their addresses. */
  trustProxy: number | readonly string[]
}

const KEY_SOURCES = ['JWT_SECRET_FILE', 'JWT_PUBLIC_KEY_FILE', 'JWT_JWKS_URL'] as const

/** What is wrong becomes a problem of the reader. */
export function readAccess(reader: OptionReader): AccessConfig {
  const jwt = reader.value('AUTH_MODE') === 'jwt'
  const auth = jwt ? readAuth(reader) : undefined
  if (!jwt) {
    for (const name of KEY_SOURCES.filter((source) => reader.isSet(source))) {
      reader.warn(name, 'has no effect without AUTH_MODE=jwt: anyone may connect')
    }
  }
  return {
    auth,
    policy: {
      fallback: reader.value('ROOM_POLICY') ?? (jwt ? 'private' : 'open'),
      publicRooms: reader.value('PUBLIC_ROOMS') ?? [],
      claim: reader.value('JWT_ROOMS_CLAIM'),
      authorizer: readAuthorizer(reader),
    },
    limits: {
      rates: readRates(reader, jwt),
      maxConnectionsPerUser: reader.value('MAX_CONNECTIONS_PER_USER') ?? (jwt ? 100 : 0),
    },
    trustProxy: reader.value('TRUST_PROXY'),
  }
}

function readAuth(reader: OptionReader): AuthConfig | undefined {
  const given = KEY_SOURCES.filter((source) => reader.isSet(source))
  if (given.length !== 1) {
    reader.problem('AUTH_MODE', `is jwt: it needs one of ${KEY_SOURCES.join(', ')}`)
  }
  if (!reader.isSet('JWT_AUDIENCE')) {
    const message = 'is unset: tokens that were made for other services are taken as well'
    reader.warn('JWT_AUDIENCE', message, 'info')
  }
  const keys = readKeys(reader)
  if (keys === undefined) return undefined
  return {
    keys,
    issuer: reader.value('JWT_ISSUER'),
    audience: reader.value('JWT_AUDIENCE'),
    clockSkewMs: reader.value('JWT_CLOCK_SKEW'),
    userClaim: reader.value('JWT_USER_CLAIM'),
    nameClaim: reader.value('JWT_NAME_CLAIM'),
    cookie: reader.value('JWT_COOKIE'),
  }
}

function readKeys(reader: OptionReader): TokenKeys | undefined {
  for (const source of ['JWT_SECRET_FILE', 'JWT_PUBLIC_KEY_FILE'] as const) {
    const content = reader.file(source)
    if (content === undefined) continue
    const key = readTokenKey(source, content)
    if ('problem' in key) {
      reader.problem(source, key.problem)
      return undefined
    }
    const overlapMs = reader.value('JWT_KEY_OVERLAP')
    return { kind: 'file', source, path: reader.value(source) ?? '', content, key, overlapMs }
  }
  const url = reader.value('JWT_JWKS_URL')
  if (url === undefined) return undefined
  if (url.startsWith('http:') && !isLoopback(new URL(url).hostname)) {
    reader.warn('JWT_JWKS_URL', 'is not https: who controls the network controls who may connect')
  }
  return { kind: 'jwks', url }
}

function readAuthorizer(reader: OptionReader): AuthorizerConfig | undefined {
  const url = reader.value('AUTHORIZE_URL')
  const content = reader.file('AUTHORIZE_SECRET_FILE')
  if (url === undefined) return undefined
  const text = content && authorizeSecret(content)
  if (content !== undefined && text === undefined) {
    reader.problem('AUTHORIZE_SECRET_FILE', 'holds no token')
  }
  return {
    url,
    secret:
      text === undefined ? undefined : { text, path: reader.value('AUTHORIZE_SECRET_FILE') ?? '' },
    timeoutMs: reader.value('AUTHORIZE_TIMEOUT'),
    cacheTtlMs: reader.value('AUTHORIZE_CACHE_TTL'),
  }
}

/** The token in the bytes of its file; undefined where there is none. */
export function authorizeSecret(content: Uint8Array): string | undefined {
  return Buffer.from(content).toString().trim() || undefined
}

function readRates(reader: OptionReader, defaults: boolean): LimitsConfig['rates'] {
  const rates: LimitsConfig['rates'] = {}
  for (const name of Object.keys(DEFAULT_RATES) as RateName[]) {
    const usual = defaults ? options[name].type.parse(DEFAULT_RATES[name]) : undefined
    const value = reader.value(name) ?? usual
    if (value !== undefined && value !== 'off') rates[name] = value
  }
  return rates
}

/** Whether nobody but this machine reaches it. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|::1|\[::1\])$/i.test(host)
}
