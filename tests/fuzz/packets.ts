import fc from 'fast-check'

/** What goes over one WebSocket, one after the other: text or binary messages. */
export type PacketSequence = readonly (string | Buffer)[]

const EVENTS = [
  ...['gateway:hello', 'room:join', 'room:leave', 'room:send', 'room:history', 'room:members'],
  ...['room:typing', 'auth:refresh', 'gateway:bye', 'gateway:status', 'room:message'],
  ...['connect', 'disconnect', 'error', 'newListener', '__proto__', 'constructor', 'toString', ''],
] as const

/** Keys that mean something to objects, to parsers, or to us. */
const KEYS = [
  ...['room', 'id', 'body', 'since', 'limit', 'before', 'presence', 'typing', 'token', 'epoch'],
  ...['offset', 'at', '__proto__', 'constructor', 'prototype', 'toJSON', 'then', 'length'],
  ...['_placeholder', 'num', 'hasOwnProperty', 'valueOf', '', '0', '-1'],
] as const

const ROOMS = ['fuzz-1', 'fuzz-2', 'fuzz-3', '{fuzz}', '%7Bfuzz%7D', '__proto__', 'a:b', '\u0000']

const text = fc.oneof(
  fc.constantFrom(...ROOMS),
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('\ud800', 'a\udc00', '\u2028', 'x'.repeat(300), '€'.repeat(70)),
)

const leaf = fc.oneof(
  text,
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constantFrom(null, 2 ** 53, -1, 1e308, Number.MIN_VALUE),
)

/** JSON as text, so that keys such as `__proto__` are own ones and numbers any that a text can hold. */
const json: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf.map((value) => JSON.stringify(value) ?? 'null'),
    fc.constantFrom('1e999', '-0', '{"_placeholder":true,"num":0}', '[]', '{}'),
    fc.array(tie('value'), { maxLength: 5 }).map((items) => `[${items.join()}]`),
    fc
      .array(fc.tuple(fc.oneof(fc.constantFrom(...KEYS), text), tie('value')), { maxLength: 6 })
      .map((pairs) => `{${pairs.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join()}}`),
  ),
})).value

const deep = fc
  .tuple(fc.integer({ min: 2, max: 20_000 }), fc.constantFrom('[', '{"a":', '[{"room":'))
  .map(([levels, open]) => {
    const close = [...open].reverse().map((char) => ({ '[': ']', '{': '}' })[char] ?? '')
    return `${open.repeat(levels)}0${close.join('').repeat(levels)}`
  })

/** Near to what the gateway takes, with any field wrong. */
const request = fc
  .record(
    {
      room: fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...ROOMS) }, fc.anything()),
      id: fc.oneof(fc.string({ maxLength: 140 }), leaf),
      limit: fc.oneof(fc.integer({ min: -1, max: 1002 }), leaf),
      since: fc.oneof(
        fc.record({ epoch: text, offset: fc.nat(), at: fc.nat() }, { requiredKeys: [] }),
        leaf,
      ),
      before: fc.oneof(fc.nat(), leaf),
      presence: fc.oneof(fc.boolean(), leaf),
      typing: fc.oneof(fc.boolean(), leaf),
      token: text,
    },
    { requiredKeys: [] },
  )
  .chain((fields) => json.map((body) => withBody(jsonOf(fields), body)))

function withBody(fields: string, body: string): string {
  return fields === '{}' ? `{"body":${body}}` : `${fields.slice(0, -1)},"body":${body}}`
}

/** Also of what JSON has no text for. */
function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? `${item}` : item)) ?? '{}'
  } catch {
    return '{}' // a cycle
  }
}

const ackId = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1000, max: 9_999_999 }).map(String) },
  fc.constantFrom('', '0', '99999999999999999999'),
)

/** Well-formed as a Socket.IO packet: whatever it asks for, its connection goes on. */
export const requestPacket: fc.Arbitrary<PacketSequence> = fc
  .tuple(
    ackId,
    fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...EVENTS) }, text),
    fc.oneof(
      { weight: 10, arbitrary: request.map((one) => [one]) },
      { weight: 3, arbitrary: fc.array(json, { maxLength: 4 }) },
      { weight: 1, arbitrary: deep.map((one) => [one]) },
    ),
  )
  .filter(([, name, args]) => {
    // Of other events, what is deeper than 1,000 levels ends the connection.
    const own = /^(room|gateway|auth):/.test(name)
    return !RESERVED.has(name) && (own || args.every((one) => one.length < 2000))
  })
  .map(([id, name, args]) => [`42${id}[${[JSON.stringify(name), ...args].join()}]`])

/** For these the library ends the connection. */
const RESERVED = new Set([
  ...['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'],
])

const nsp = fc.constantFrom('', '/,', '/other,', '/__proto__,', '/a/b?x=1,', '/,/,')
const count = fc.oneof(
  fc.integer({ min: 0, max: 12 }).map(String),
  fc.constantFrom('', '-1', '1e3'),
)

const attachments = fc
  .tuple(fc.constantFrom('5', '6'), count, nsp, ackId, fc.array(json, { maxLength: 3 }))
  .chain(([type, many, space, id, args]) =>
    fc
      .array(fc.uint8Array({ maxLength: 60 }), { maxLength: 4 })
      .map((parts) => [
        `4${type}${many}-${space}${id}[${['"room:send"', ...args].join()}]`,
        ...parts.map((bytes) => Buffer.from(bytes)),
      ]),
  )

const structured = fc
  .tuple(fc.constantFrom(...'0123456789'), fc.constantFrom(...'0123456'), nsp, ackId, json)
  .map(([engine, type, space, id, payload]) => [`${engine}${type}${space}${id}${payload}`])

const RECORDED = [
  '40{"session":"s"}',
  '40/other,{}',
  '41',
  '421["gateway:hello",{}]',
  '422["room:join",{"room":"fuzz-1","since":{"epoch":"e","offset":3,"at":1700000000000},"limit":5}]',
  '423["room:send",{"room":"fuzz-1","id":"m1","body":{"text":"hello \\ud83d\\ude00"}}]',
  '424["room:history",{"room":"fuzz-1","before":10,"limit":2}]',
  '42["room:typing",{"room":"fuzz-1","typing":true}]',
  '431[{"ok":true}]',
  '451-5["room:send",{"room":"fuzz-1","id":"m2","body":{"_placeholder":true,"num":0}}]',
  '2',
  '3',
]

/** Recorded packets with a few characters lost, repeated, changed or put in. */
const mutated = fc
  .tuple(
    fc.constantFrom(...RECORDED),
    fc.array(
      fc.record({
        at: fc.nat(200),
        lose: fc.nat(3),
        put: fc.oneof(fc.constantFrom('', '"', '[', ']', '{', '}', ',', '-', '/', '\\u0000'), text),
      }),
      { minLength: 1, maxLength: 5 },
    ),
  )
  .map(([recorded, changes]) => {
    const characters = [...recorded]
    for (const { at, lose, put } of changes) characters.splice(at % characters.length, lose, put)
    return [characters.join('')]
  })

const noise = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => [Buffer.from(bytes)]),
  fc.string({ unit: 'binary', maxLength: 120 }).map((one) => [one]),
)

/** Anything below a request: most of it ends its connection. */
export const brokenPacket: fc.Arbitrary<PacketSequence> = fc.oneof(
  { weight: 4, arbitrary: mutated },
  { weight: 3, arbitrary: structured },
  { weight: 3, arbitrary: attachments },
  { weight: 1, arbitrary: noise },
)

/** What the polling transport carries in one request body. */
export const pollingPayload: fc.Arbitrary<string> = fc.oneof(
  fc
    .array(fc.oneof(mutated, structured, requestPacket), { maxLength: 6 })
    .map((packets) => packets.flat().map(String).join('\u001e')),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.constantFrom('', '\u001e'.repeat(2000), 'b!!!', `4${'['.repeat(5000)}`),
)
