import { createSecretKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose'
import type { Scope } from './scope.ts'

export type Algorithm = 'HS256' | 'HS512' | 'RS256' | 'PS256' | 'ES256' | 'EdDSA'

/** Somebody who gives out tokens, and the settings of a gateway that takes them. */
export interface Issuer {
  readonly env: Readonly<Record<string, string>>
  readonly signingKey: KeyObject
  /** PEM; undefined for secrets. */
  readonly publicKey: string | undefined
  /** For `sub` alice, valid for an hour, unless the claims say otherwise; undefined leaves one out. */
  token(claims?: Claims, header?: Partial<JWTHeaderParameters>): Promise<string>
}

type Claims = Readonly<Record<string, unknown>>

export const seconds = (fromNow = 0) => Math.floor(Date.now() / 1000) + fromNow

export async function createIssuer(scope: Scope, alg: Algorithm = 'HS256'): Promise<Issuer> {
  const dir = await mkdtemp(join(tmpdir(), 'roomwire-issuer-'))
  scope.defer(() => rm(dir, { recursive: true, force: true }))
  const keys = makeKeys(alg)
  const file = join(dir, 'key')
  await writeFile(file, keys.verifying)
  const variable = keys.publicKey === undefined ? 'JWT_SECRET_FILE' : 'JWT_PUBLIC_KEY_FILE'
  return {
    env: { AUTH_MODE: 'jwt', [variable]: file },
    signingKey: keys.signing,
    publicKey: keys.publicKey,
    token: (claims = {}, header = {}) => sign(keys.signing, claims, { alg, ...header }),
  }
}

/** A token that is signed with any key, as any header says. */
export function sign(key: KeyObject, claims: Claims, header: JWTHeaderParameters): Promise<string> {
  const all: Claims = { sub: 'alice', iat: seconds(), exp: seconds(3600), ...claims }
  const payload = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  return new SignJWT(payload as JWTPayload).setProtectedHeader(header).sign(key)
}

/** A token with whatever is given in its three parts. */
export function assemble(header: unknown, claims: unknown, signature = ''): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part(header)}.${part(claims)}.${signature}`
}

function makeKeys(alg: Algorithm) {
  if (alg.startsWith('HS')) {
    const secret = randomBytes(32).toString('hex') // 64 bytes
    return {
      signing: createSecretKey(Buffer.from(secret)),
      verifying: `${secret}\n`,
      publicKey: undefined,
    }
  }
  const { publicKey, privateKey } = makePair(alg)
  const pem = String(publicKey.export({ type: 'spki', format: 'pem' }))
  return { signing: privateKey, verifying: pem, publicKey: pem }
}

function makePair(alg: Algorithm): { publicKey: KeyObject; privateKey: KeyObject } {
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519')
  if (alg === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return generateKeyPairSync('rsa', { modulusLength: 2048 })
}
