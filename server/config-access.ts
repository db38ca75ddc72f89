import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto'
import type { Rate } from './option-access-types.ts'
import type { OptionReader } from './option-reader.ts'
import { options } from './options.ts'
import { DEFAULT_RATES, type RateName } from './options-access.ts'

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

/** A key, and all that it may sign: what a token says of its algorithm is never believed alone. */
export type TokenKeys =
  | { kind: 'key'; key: KeyObject; algorithms: readonly string[] }
  | { kind: 'jwks'; url: string }

export interface PolicyConfig {
  fallback: 'open' | 'private'
  publicRooms: readonly string[]
  claim: string
  webhook: WebhookConfig | undefined
}

export interface WebhookConfig {
  url: string
  secret: string | undefined
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
/** RFC 7518, 3.2: a secret is at least as long as the hash. */
const SECRET_BYTES = { HS256: 32, HS384: 48, HS512: 64 } as const
const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const CURVES: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
}
const MIN_RSA_BITS = 2048

/** What is wrong becomes a problem of the reader. */
export function readAccess(reader: OptionReader): AccessConfig {
  const auth = reader.value('AUTH_MODE') === 'jwt' ? readAuth(reader) : undefined
  const jwt = reader.value('AUTH_MODE') === 'jwt'
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
      webhook: readWebhook(reader),
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
  const secret = reader.file('JWT_SECRET_FILE')
  if (secret !== undefined) return readSecret(Buffer.from(secret), reader)
  const pem = reader.file('JWT_PUBLIC_KEY_FILE')
  if (pem !== undefined) return readPublicKey(Buffer.from(pem).toString(), reader)
  const url = reader.value('JWT_JWKS_URL')
  if (url === undefined) return undefined
  if (url.startsWith('http:') && !isLoopback(new URL(url).hostname)) {
    reader.warn('JWT_JWKS_URL', 'is not https: who controls the network controls who may connect')
  }
  return { kind: 'jwks', url }
}

function readSecret(bytes: Buffer, reader: OptionReader): TokenKeys | undefined {
  const text = bytes.toString('latin1')
  const secret = bytes.subarray(0, text.length - (/\r?\n$/.exec(text)?.[0].length ?? 0))
  const refuse = (message: string) => void reader.problem('JWT_SECRET_FILE', message)
  // The public half of a pair is no secret: tokens signed with it would be anybody's (key confusion).
  if (/-----BEGIN [A-Z ]+-----/.test(text)) {
    refuse('holds a PEM key or certificate, not a secret: JWT_PUBLIC_KEY_FILE is for public keys')
  } else if (secret.length < SECRET_BYTES.HS256) {
    refuse(`must hold at least ${SECRET_BYTES.HS256} bytes`)
  } else {
    const algorithms = Object.entries(SECRET_BYTES).flatMap(([algorithm, least]) =>
      secret.length >= least ? [algorithm] : [],
    )
    return { kind: 'key', key: createSecretKey(secret), algorithms }
  }
  return undefined
}

function readPublicKey(pem: string, reader: OptionReader): TokenKeys | undefined {
  const refuse = (message: string) => void reader.problem('JWT_PUBLIC_KEY_FILE', message)
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    refuse('holds a private key, which only the issuer should have: give the public one')
    return undefined
  }
  try {
    const key = createPublicKey(pem)
    const { modulusLength = MIN_RSA_BITS } = key.asymmetricKeyDetails ?? {}
    const algorithms = algorithmsOf(key)
    if (algorithms === undefined) refuse('holds a key that no algorithm of tokens is for')
    else if (modulusLength < MIN_RSA_BITS) refuse(`must hold at least ${MIN_RSA_BITS} bits of RSA`)
    else return { kind: 'key', key, algorithms }
  } catch {
    refuse('must be a public key or a certificate in PEM')
  }
  return undefined
}

/** Undefined where it is for none. */
function algorithmsOf(key: KeyObject): readonly string[] | undefined {
  const curve = CURVES[key.asymmetricKeyDetails?.namedCurve ?? '']
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return RSA
    case 'rsa-pss':
      return RSA.filter((algorithm) => algorithm.startsWith('PS'))
    case 'ec':
      return curve === undefined ? undefined : [curve]
    case 'ed25519':
      return ['EdDSA', 'Ed25519']
    default:
      return undefined
  }
}

function readWebhook(reader: OptionReader): WebhookConfig | undefined {
  const url = reader.value('AUTHORIZE_URL')
  const secret = reader.file('AUTHORIZE_SECRET_FILE')
  if (url === undefined) return undefined
  return {
    url,
    secret: secret === undefined ? undefined : Buffer.from(secret).toString().trim(),
    timeoutMs: reader.value('AUTHORIZE_TIMEOUT'),
    cacheTtlMs: reader.value('AUTHORIZE_CACHE_TTL'),
  }
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
