import { createPublicKey } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { createKeySet } from '../../server/session/key-set.ts'
import { createTokens } from '../../server/session/tokens.ts'
import { createIssuer, type Issuer } from '../support/issuer.ts'
import { testScope } from '../support/test-scope.ts'

const scope = testScope()
const MINUTE = 60_000
let first: Issuer
let second: Issuer

beforeAll(async () => {
  ;[first, second] = await Promise.all([createIssuer(scope, 'ES256'), createIssuer(scope, 'ES256')])
})

const jwk = (issuer: Issuer, kid: string) => ({
  ...createPublicKey(issuer.publicKey ?? '').export({ format: 'jwk' }),
  kid,
})

/** Tokens by what `publish` was given last; time is what `clock` says. */
function start() {
  const clock = { now: Date.now() }
  let answer: () => Response = () => expect.fail('nothing is published')
  let reads = 0
  const noted: string[] = []
  const set = createKeySet({
    url: 'http://issuer/jwks',
    now: () => clock.now,
    failed: () => noted.push('failed'),
    recovered: () => noted.push('recovered'),
    fetch: async () => {
      reads += 1
      return answer()
    },
  })
  const tokens = createTokens({
    ...{ keys: { find: set.key }, issuer: undefined, audience: undefined, clockSkewMs: 0 },
    ...{ userClaim: 'sub', nameClaim: 'name' },
  })
  return {
    clock,
    noted,
    reads: () => reads,
    publish: (...keys: object[]) => {
      answer = () => Response.json({ keys })
    },
    fail: (how: () => Response) => {
      answer = how
    },
    codeOf: async (issuer: Issuer, kid: string) =>
      tokens.verify(await issuer.token({}, { kid })).then(
        () => 'ok',
        (error: { code: string }) => error.code,
      ),
  }
}

test('keys are read once, and again when they are old, without anybody waiting', async () => {
  const { publish, codeOf, clock, reads } = start()
  publish(jwk(first, 'a'))
  const codes = await Promise.all([1, 2, 3].map(() => codeOf(first, 'a')))
  expect({ codes, reads: reads() }).toEqual({ codes: ['ok', 'ok', 'ok'], reads: 1 })
  clock.now += 11 * MINUTE
  publish(jwk(second, 'b'))
  expect(await codeOf(first, 'a')).toBe('ok')
  expect(reads()).toBe(2)
  expect(await codeOf(first, 'a')).toBe('UNAUTHORIZED') // it is published no longer
})

test('a key that is not known yet is looked for, but not more often than every ten seconds', async () => {
  const { publish, codeOf, clock, reads } = start()
  publish(jwk(first, 'a'))
  expect(await codeOf(first, 'a')).toBe('ok')
  publish(jwk(first, 'a'), jwk(second, 'b'))
  clock.now += 11_000
  expect(await codeOf(second, 'b')).toBe('ok')
  for (const kid of ['c', 'd', 'e']) expect(await codeOf(second, kid)).toBe('UNAUTHORIZED')
  expect(reads()).toBe(2)
})

test('an outage of the issuer is bridged for a day, and told once it is over', async () => {
  const { publish, fail, codeOf, clock, noted } = start()
  publish(jwk(first, 'a'))
  expect(await codeOf(first, 'a')).toBe('ok')
  fail(() => new Response('down', { status: 503 }))
  for (let hour = 0; hour < 23; hour += 1) {
    clock.now += 60 * MINUTE
    expect(await codeOf(first, 'a')).toBe('ok')
  }
  clock.now += 120 * MINUTE
  expect(await codeOf(first, 'a')).toBe('UNAVAILABLE')
  publish(jwk(first, 'a'))
  clock.now += MINUTE
  expect(await codeOf(first, 'a')).toBe('ok')
  expect(noted).toContain('failed')
  expect(noted.at(-1)).toBe('recovered')
})

test.each([
  ['no answer', () => Promise.reject(new Error('refused'))],
  ['nonsense', () => new Response('<html>')],
  ['no keys', () => Response.json({ keys: 'none' })],
  ['too much', () => new Response('x'.repeat(2 * 1024 * 1024))],
  ['null', () => Response.json(null)],
])('%s from the start on: UNAVAILABLE, to be tried again', async (_what, answer) => {
  const { fail, codeOf } = start()
  fail(answer as () => Response)
  expect(await codeOf(first, 'a')).toBe('UNAVAILABLE')
})

test('a secret among the published keys is no key', async () => {
  const { publish, codeOf } = start()
  publish({ kty: 'oct', k: Buffer.from('0'.repeat(64)).toString('base64url'), kid: 'a' })
  expect(await codeOf(await createIssuer(scope, 'HS256'), 'a')).toBe('UNAUTHORIZED')
})
