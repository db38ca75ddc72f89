import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { SignJWT } from 'jose'
import { roomPatterns } from './option-access-types.ts'
import { createOptionReader, type Environment } from './option-reader.ts'
import { duration } from './option-types.ts'
import { CURVES, readTokenKey } from './token-key.ts'

/** Why no token was made, one line each; holds no value. */
export class TokenProblem extends Error {}

export interface TokenWishes {
  user: string | undefined
  name: string | undefined
  rooms: string | undefined
  expires: string | undefined
  id: string | undefined
  keyFile: string | undefined
}

export const tokenFlags = {
  user: { type: 'string', description: 'Whom it is for.' },
  name: { type: 'string', description: 'The name to show.' },
  rooms: { type: 'string', description: 'Rooms it is good for: patterns separated by ";".' },
  expires: { type: 'string', description: 'How long it is good for (1h).' },
  id: { type: 'string', description: 'Its jti, by which it can be revoked.' },
  'key-file': {
    type: 'string',
    description: 'Private key in PEM to sign it with. Else the secret of JWT_SECRET_FILE.',
  },
} as const

const LIFETIME = duration('1s', '3650d')

/**
 * A token for tests, as a gateway with this environment takes it.
 *
 * @throws TokenProblem
 */
export async function makeToken(env: Environment, wishes: TokenWishes): Promise<string> {
  const reader = createOptionReader(env, (path) => readFileSync(path))
  const { user, name, id } = wishes
  if (!user) throw new TokenProblem('--user is missing')
  const lifetimeMs = LIFETIME.parse(wishes.expires ?? '1h')
  if (lifetimeMs === undefined) throw new TokenProblem(`--expires must be ${LIFETIME.expects}`)
  const rooms = wishes.rooms === undefined ? undefined : roomPatterns.parse(wishes.rooms)
  if (wishes.rooms !== undefined && rooms === undefined) {
    throw new TokenProblem(`--rooms must be ${roomPatterns.expects}`)
  }
  const claims = {
    [reader.value('JWT_USER_CLAIM')]: user,
    ...(name === undefined ? {} : { [reader.value('JWT_NAME_CLAIM')]: name }),
    ...(rooms === undefined ? {} : { [reader.value('JWT_ROOMS_CLAIM')]: { rooms } }),
  }
  const { key, alg } = wishes.keyFile === undefined ? secretOf() : privateKeyOf(wishes.keyFile)
  const issuer = reader.value('JWT_ISSUER')
  const audience = reader.value('JWT_AUDIENCE')
  const problems = reader.problems.map(({ variable, message }) => `${variable} ${message}`)
  if (problems.length > 0) throw new TokenProblem(problems.join('\n'))

  const now = Math.floor(Date.now() / 1000)
  const token = new SignJWT(claims)
    .setProtectedHeader({ alg, typ: 'JWT' })
    .setIssuedAt(now)
    .setExpirationTime(now + Math.ceil(lifetimeMs / 1000))
  if (id !== undefined) token.setJti(id)
  if (issuer !== undefined) token.setIssuer(issuer)
  if (audience !== undefined) token.setAudience(audience)
  return token.sign(key)

  function secretOf(): { key: KeyObject; alg: string } {
    const file = reader.file('JWT_SECRET_FILE')
    if (file === undefined) {
      const why = reader.problems.map(({ variable, message }) => `${variable} ${message}`)
      throw new TokenProblem(why.join('\n') || 'set JWT_SECRET_FILE, or give --key-file')
    }
    const read = readTokenKey('JWT_SECRET_FILE', file)
    if ('problem' in read) throw new TokenProblem(`JWT_SECRET_FILE ${read.problem}`)
    return { key: read.key, alg: 'HS256' }
  }
}

function privateKeyOf(path: string): { key: KeyObject; alg: string } {
  let key: KeyObject
  try {
    key = createPrivateKey(readFileSync(path))
  } catch {
    throw new TokenProblem('--key-file must be a private key in PEM, without a passphrase')
  }
  const alg = algorithmOf(key)
  if (alg === undefined)
    throw new TokenProblem('--key-file holds a key that tokens are not made with')
  return { key, alg }
}

function algorithmOf(key: KeyObject): string | undefined {
  if (key.asymmetricKeyType === 'rsa') return 'RS256'
  if (key.asymmetricKeyType === 'rsa-pss') return 'PS256'
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA'
  return CURVES[key.asymmetricKeyDetails?.namedCurve ?? '']
}
