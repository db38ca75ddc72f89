import { createSecretKey, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createTokenKeyFile } from '../../server/session/token-key-file.ts'
import { createTokens } from '../../server/session/tokens.ts'
import { readTokenKey, type TokenKeySource } from '../../server/token-key.ts'
import { eventually } from '../support/eventually.ts'
import { type Algorithm, createIssuer, type Issuer, sign } from '../support/issuer.ts'
import { testScope } from '../support/test-scope.ts'

const HOUR = 3_600_000

/** Tokens by a file that holds what was given to `write` last; time is what `clock` says. */
function start(source: TokenKeySource, content: string | Buffer, overlapMs = 0) {
  const scope = testScope()
  const dir = mkdtempSync(join(tmpdir(), 'roomwire-token-key-'))
  scope.defer(() => rmSync(dir, { recursive: true }))
  const path = join(dir, 'key')
  writeFileSync(path, content)
  const key = readTokenKey(source, Buffer.from(content))
  if ('problem' in key) throw new Error(key.problem)
  const clock = { now: 0 }
  const noted: string[] = []
  const file = createTokenKeyFile({
    ...{ source, path, content: Buffer.from(content), key, overlapMs },
    changed: () => void noted.push('changed'),
    unusable: (reason) => void noted.push(reason),
    now: () => clock.now,
  })
  scope.defer(file.stop)
  const tokens = createTokens({
    ...{ keys: file, issuer: undefined, audience: undefined, clockSkewMs: 0 },
    ...{ userClaim: 'sub', nameClaim: 'name' },
  })
  return {
    clock,
    noted,
    write: (next: string | Buffer) => writeFileSync(path, next),
    notes: (count: number) =>
      eventually(() => noted.length >= count, { what: `${count} notes` }).then(() => noted),
    says: (token: string) =>
      tokens.verify(token).then(
        ({ user }) => user,
        (error: Error) => error.message,
      ),
  }
}

const issuers = (...algorithms: Algorithm[]) =>
  Promise.all(algorithms.map((algorithm) => createIssuer(testScope(), algorithm)))

const secretOf = ({ signingKey }: Issuer) => String(signingKey.export())
const pemOf = ({ publicKey }: Issuer) => publicKey ?? ''

const OTHER = 'token: has a signature that does not match'

test('a secret that is replaced counts at once, and the one before no longer', async () => {
  const [first, second] = (await issuers('HS256', 'HS512')) as [Issuer, Issuer]
  const { write, notes, says } = start('JWT_SECRET_FILE', secretOf(first))
  expect(await says(await first.token())).toBe('alice')
  expect(await says(await second.token())).toBe(OTHER)
  write(secretOf(second))
  expect(await notes(1)).toEqual(['changed'])
  expect(await says(await second.token())).toBe('alice')
  expect(await says(await first.token())).toBe(OTHER)
})

test('with an overlap tokens of both count, until it is over', async () => {
  const [first, second] = (await issuers('ES256', 'EdDSA')) as [Issuer, Issuer]
  const { write, notes, says, clock } = start('JWT_PUBLIC_KEY_FILE', pemOf(first), HOUR)
  write(pemOf(second))
  await notes(1)
  clock.now = HOUR - 1
  expect(await says(await first.token())).toBe('alice')
  expect(await says(await second.token())).toBe('alice')
  expect(await says(await first.token({ exp: 1 }))).toBe('token: has expired')
  clock.now = HOUR
  expect(await says(await first.token())).toBe(
    'token: is signed with an algorithm that is not allowed',
  )
  expect(await says(await second.token())).toBe('alice')
})

test('a file without a key is told of, and the key from before goes on', async () => {
  const [first] = (await issuers('HS256')) as [Issuer]
  const { write, notes, says } = start('JWT_SECRET_FILE', secretOf(first), HOUR)
  write('short')
  expect(await notes(1)).toEqual(['must hold at least 32 bytes'])
  expect(await says(await first.token())).toBe('alice')
  write(secretOf(first))
  write(pemOf((await issuers('EdDSA'))[0] as Issuer))
  expect((await notes(2))[1]).toContain('not a secret')
  expect(await says(await first.token())).toBe('alice')
})

test('a secret may be any bytes', async () => {
  const bytes = Buffer.concat([randomBytes(40), Buffer.from([0xff, 0x0a, 0x80, 0x00])])
  const { says } = start('JWT_SECRET_FILE', bytes)
  const [issuer] = (await issuers('HS256')) as [Issuer]
  expect(await says(await issuer.token())).toBe(OTHER)
  expect(await says(await sign(createSecretKey(bytes), {}, { alg: 'HS256' }))).toBe('alice')
})
