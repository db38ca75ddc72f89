import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { expect, test } from 'vitest'
import { ConfigError, readConfig } from '../../server/config.ts'

const pem = (key: KeyObject, type: 'spki' | 'pkcs8') => String(key.export({ type, format: 'pem' }))
const ed = generateKeyPairSync('ed25519')
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
const curve = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })

function read(content: string, variable: string) {
  return readConfig({ AUTH_MODE: 'jwt', [variable]: '/a/file' }, () => Buffer.from(content)).config
}
function problem(content: string, variable: string): string {
  try {
    read(content, variable)
    return 'none'
  } catch (error) {
    return error instanceof ConfigError ? String(error.problems[0]?.message) : String(error)
  }
}
const SECRET = 'JWT_SECRET_FILE'
const PUBLIC = 'JWT_PUBLIC_KEY_FILE'

test.each([
  ['a short secret', 'x'.repeat(31), SECRET, 'at least 32 bytes'],
  ['a secret that is long by its newline', `${'x'.repeat(31)}\n`, SECRET, 'at least 32 bytes'],
  ['a public key as a secret', pem(rsa.publicKey, 'spki'), SECRET, 'not a secret'],
  ['a private key', pem(ed.privateKey, 'pkcs8'), PUBLIC, 'holds a private key'],
  ['weak RSA', pem(weak.publicKey, 'spki'), PUBLIC, 'at least 2048 bits'],
  ['a curve that is not for tokens', pem(curve.publicKey, 'spki'), PUBLIC, 'no algorithm'],
  ['nonsense', 'hunter2', PUBLIC, 'must be a public key'],
])('%s is refused', (_what, content, variable, reason) => {
  expect(problem(content, variable)).toContain(reason)
  expect(problem(content, variable)).not.toContain('hunter2')
})

test.each([
  ['32 bytes', 'x'.repeat(32), SECRET, ['HS256']],
  ['64 bytes', 'x'.repeat(64), SECRET, ['HS256', 'HS384', 'HS512']],
  [
    'RSA',
    pem(rsa.publicKey, 'spki'),
    PUBLIC,
    ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ],
  ['P-384', pem(p384.publicKey, 'spki'), PUBLIC, ['ES384']],
  ['Ed25519', pem(ed.publicKey, 'spki'), PUBLIC, ['EdDSA', 'Ed25519']],
])('%s: the kind of key says which algorithms count', (_what, content, variable, algorithms) => {
  expect(read(content, variable).auth?.keys).toMatchObject({ key: { algorithms } })
})

test('one source of keys, no more and no less', () => {
  const two = { AUTH_MODE: 'jwt', [SECRET]: '/a', JWT_JWKS_URL: 'https://issuer/jwks' }
  const file = () => Buffer.from('x'.repeat(32))
  expect(() => readConfig({ AUTH_MODE: 'jwt' })).toThrow('AUTH_MODE is jwt: it needs one of')
  expect(() => readConfig(two, file)).toThrow('AUTH_MODE is jwt: it needs one of')
})

test('limits are off without tokens and sensible with them, and each can be set', () => {
  const file = () => Buffer.from('x'.repeat(32))
  const jwt = { AUTH_MODE: 'jwt', [SECRET]: '/a' }
  expect(readConfig({}).config.limits).toEqual({ rates: {}, maxConnectionsPerUser: 0 })
  const { limits } = readConfig(jwt, file).config
  expect(limits.maxConnectionsPerUser).toBe(100)
  expect(limits.rates.LIMIT_CONNECTION_SENDS).toEqual({ count: 200, perMs: 10_000 })
  expect(limits.rates.LIMIT_CONNECTION_BYTES).toEqual({ count: 4 * 1024 * 1024, perMs: 10_000 })
  const set = { ...jwt, LIMIT_CONNECTION_SENDS: 'off', LIMIT_ADDRESS_SENDS: '5/s' }
  const { rates } = readConfig(set, file).config.limits
  expect(rates.LIMIT_CONNECTION_SENDS).toBeUndefined()
  expect(rates.LIMIT_ADDRESS_SENDS).toEqual({ count: 5, perMs: 1000 })
  expect(() => readConfig({ LIMIT_USER_SENDS: '5' })).toThrow('LIMIT_USER_SENDS must be a rate')
  expect(() => readConfig({ LIMIT_USER_SENDS: '1KiB/s' })).toThrow('must be a rate')
})
