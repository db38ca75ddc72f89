import { createHmac, type KeyObject } from 'node:crypto'
import fc from 'fast-check'

export interface FuzzedToken {
  text: string
  /** Whoever holds the key has made it: only then it may be taken. */
  signed: boolean
}

const claim = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.integer(),
  fc.double(),
  fc.constantFrom(null, true, '', '\ud800', 'x'.repeat(200), -1, 0, 2 ** 53, 1e300),
  fc.constantFrom([], {}, ['fuzz'], { sub: 1 }),
)

const payload = fc.oneof(
  fc
    .record(
      {
        sub: fc.oneof(fc.constantFrom('ada', 'grace'), claim),
        exp: fc.oneof(fc.constantFrom(1, 4_102_444_800, 1e15), claim),
        nbf: fc.oneof(fc.constantFrom(1, 4_102_444_800), claim),
        iat: fc.oneof(fc.constantFrom(1, 4_102_444_800), claim),
        iss: fc.oneof(fc.constant('fuzz'), claim),
        aud: fc.oneof(fc.constantFrom('fuzz', ['fuzz', 'other']), claim),
        jti: claim,
        name: claim,
        rooms: claim,
        admin: claim,
      },
      { requiredKeys: [] },
    )
    .map((claims) => JSON.stringify(claims)),
  fc.constantFrom('{"__proto__":{"sub":"ada","exp":4102444800}}', '[]', 'null', '"x"', '{', ''),
  fc.constantFrom('{"sub":"a","sub":"b","exp":4102444800}', '{"exp":4102444800,"constructor":1}'),
)

const header = fc.oneof(
  { weight: 4, arbitrary: fc.constant('{"alg":"HS256","typ":"JWT"}') },
  fc
    .record(
      {
        alg: fc.constantFrom(
          ...['none', 'None', 'HS256', 'hs256', 'HS512', 'RS256', 'ES256', 'EdDSA', '', 'dir'],
        ),
        typ: claim,
        kid: fc.oneof(fc.constantFrom('../../../dev/null', "' OR 1=1", '\u0000'), claim),
        crit: fc.constantFrom(['b64'], ['exp'], [], 'b64', [1]),
        b64: fc.boolean(),
        jku: fc.constant('http://127.0.0.1:1/keys'),
        jwk: fc.constant({ kty: 'oct', k: 'AAAA' }),
        x5u: claim,
        zip: fc.constant('DEF'),
      },
      { requiredKeys: [] },
    )
    .map((fields) => JSON.stringify(fields)),
  fc.constantFrom('{}', '[]', 'null', '{"alg":null}', '{"__proto__":{"alg":"HS256"}}', ''),
)

const encode = (text: string) => Buffer.from(text).toString('base64url')

/** Tokens of every make: random, structured, tampered with, and some as the key's holder makes them. */
export function fuzzedToken(key: KeyObject): fc.Arbitrary<FuzzedToken> {
  const sign = (input: string) => createHmac('sha256', key).update(input).digest('base64url')
  const structured = fc
    .tuple(header, payload, fc.oneof(fc.constant('right'), fc.constantFrom('', 'AAAA', 'other')))
    .map(([head, claims, kind]) => {
      const input = `${encode(head)}.${encode(claims)}`
      const signature =
        kind === 'right'
          ? sign(input)
          : kind === 'other'
            ? createHmac('sha256', 'another key').update(input).digest('base64url')
            : kind
      return { text: `${input}.${signature}`, signed: kind === 'right' }
    })
  const tampered = fc
    .tuple(structured, fc.nat(400), fc.nat(3), fc.string({ maxLength: 4 }))
    .map(([{ text, signed }, at, lose, put]) => {
      const place = at % text.length
      const changed = text.slice(0, place) + put + text.slice(place + lose)
      return { text: changed, signed: signed && sameBytes(changed, text) }
    })
  const random = fc.oneof(
    fc.string({ maxLength: 80 }),
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.array(fc.base64String({ maxLength: 40 }), { maxLength: 6 }).map((parts) => parts.join('.')),
    fc.constantFrom('.', '..', '...', 'x'.repeat(17_000), `${'.'.repeat(10_000)}`),
  )
  return fc.oneof(
    { weight: 3, arbitrary: structured },
    { weight: 2, arbitrary: tampered },
    { weight: 1, arbitrary: random.map((text) => ({ text, signed: false })) },
  )
}

/** The last character of base64url may hold bits that mean nothing. */
function sameBytes(one: string, other: string): boolean {
  const parts = (text: string) => text.split('.').map((part) => Buffer.from(part, 'base64url'))
  const [a, b] = [parts(one), parts(other)]
  return a.length === b.length && a.every((part, index) => b[index]?.equals(part) === true)
}
