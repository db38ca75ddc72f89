import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto'

/** A key, and all that it may sign: what a token says of its algorithm is never believed alone. */
export interface TokenKey {
  readonly key: KeyObject
  readonly algorithms: readonly string[]
}

/** The variable that names a key's file. */
export type TokenKeySource = 'JWT_SECRET_FILE' | 'JWT_PUBLIC_KEY_FILE'

/** RFC 7518, 3.2: a secret is at least as long as the hash. */
const SECRET_BYTES = { HS256: 32, HS384: 48, HS512: 64 } as const
const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
/** Algorithms by curve. */
export const CURVES: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
}
const MIN_RSA_BITS = 2048

/** The key in a file, or what is wrong with it, without a word of what it holds. */
export function readTokenKey(
  source: TokenKeySource,
  content: Uint8Array,
): TokenKey | { problem: string } {
  const bytes = Buffer.from(content)
  return source === 'JWT_SECRET_FILE' ? readSecret(bytes) : readPublicKey(bytes.toString())
}

function readSecret(bytes: Buffer): TokenKey | { problem: string } {
  const text = bytes.toString('latin1')
  const secret = bytes.subarray(0, text.length - (/\r?\n$/.exec(text)?.[0].length ?? 0))
  // The public half of a pair is no secret: tokens signed with it would be anybody's (key confusion).
  if (/-----BEGIN [A-Z ]+-----/.test(text)) {
    const problem = 'holds a PEM key or certificate, not a secret: JWT_PUBLIC_KEY_FILE is for those'
    return { problem }
  }
  if (secret.length < SECRET_BYTES.HS256) {
    return { problem: `must hold at least ${SECRET_BYTES.HS256} bytes` }
  }
  const algorithms = Object.entries(SECRET_BYTES).flatMap(([algorithm, least]) =>
    secret.length >= least ? [algorithm] : [],
  )
  return { key: createSecretKey(secret), algorithms }
}

function readPublicKey(pem: string): TokenKey | { problem: string } {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    return {
      problem: 'holds a private key, which only the issuer should have: give the public one',
    }
  }
  try {
    const key = createPublicKey(pem)
    const { modulusLength = MIN_RSA_BITS } = key.asymmetricKeyDetails ?? {}
    const algorithms = algorithmsOf(key)
    if (algorithms === undefined)
      return { problem: 'holds a key that no algorithm of tokens is for' }
    if (modulusLength < MIN_RSA_BITS) {
      return { problem: `must hold at least ${MIN_RSA_BITS} bits of RSA` }
    }
    return { key, algorithms }
  } catch {
    return { problem: 'must be a public key or a certificate in PEM' }
  }
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
