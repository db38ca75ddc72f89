import fc from 'fast-check'

/** Where something answers, now or later; a drain is only asked for without the operator's token. */
const PATHS = [
  ...['/', '/ops', '/ops/data', '/health', '/health/live', '/health/ready', '/metrics'],
  ...['/api/monitoring/stats', '/api/drain', '/api/openapi.json', '/api/rooms', '/api'],
  ...['/api/rooms/fuzz-1/messages', '/api/rooms/fuzz-1/members', '/api/rooms/fuzz-1'],
  ...['/api/rooms/fuzz-1/claims', '/api/users/somebody/disconnect', '/api/users/somebody/revoke'],
  ...['/api/messages', '/assets/index.js', '/favicon.ico', '/socket.io/', '/nowhere'],
] as const

const METHODS = [
  ...['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'QUERY', 'PROPFIND'],
] as const

const piece = fc.oneof(
  fc.constantFrom('..', '.', '%2e%2e', '%2f', '%00', '%', '%zz', '%ff%fe', '%c0%af', '__proto__'),
  fc.constantFrom('constructor', '//', '\\', 'a'.repeat(300), '%7B%7D', '{room}', '*', ':room', ''),
  fc.string({ unit: 'grapheme-ascii', maxLength: 12 }).map((one) => encodeURIComponent(one)),
  fc.string({ maxLength: 8 }).map((one) => one.replace(/[^!-~]/g, '')),
)

const query = fc
  .array(
    fc.tuple(
      fc.constantFrom(
        'EIO',
        'transport',
        'sid',
        'after',
        'limit',
        'since',
        '__proto__',
        'a[b]',
        '',
      ),
      fc.oneof(
        fc.constantFrom('4', '3', 'polling', 'websocket', '1e9', '-1', 'e:1', '%', ''),
        piece,
      ),
    ),
    { maxLength: 5 },
  )
  .map((pairs) => pairs.map(([name, value]) => `${name}=${value}`).join('&'))

const path = fc
  .tuple(fc.constantFrom(...PATHS), fc.array(piece, { maxLength: 2 }), query)
  .map(([base, pieces, asked]) => {
    const whole = [base, ...pieces].join('/')
    return (asked === '' ? whole : `${whole}?${asked}`).replace(/[^!-~]|#/g, '')
  })

const headerValue = fc.oneof(
  fc.constantFrom(
    ...['Bearer x', 'Bearer ', 'Basic Og==', 'null', 'https://evil.example', '*', 'chunked', '5'],
    ...['application/json', 'application/json; charset=utf-7', 'text/plain', 'gzip', 'identity'],
    ...['127.0.0.1', 'localhost', '"', 'bytes=0-,-1', 'W/"x"', 'a'.repeat(3000), 'cors', 'none'],
  ),
  fc.string({ maxLength: 30 }).map((one) => one.replace(/[^ -~]/g, '')),
)

const headers = fc.array(
  fc.tuple(
    fc.constantFrom(
      ...[
        'Authorization',
        'Content-Type',
        'Content-Encoding',
        'Origin',
        'Host',
        'Cookie',
        'Accept',
      ],
      ...['X-Forwarded-For', 'Forwarded', 'X-Real-IP', 'Idempotency-Key', 'If-None-Match', 'Range'],
      ...['Sec-Fetch-Site', 'X-API-Key', 'Accept-Encoding', 'Expect', 'Connection', 'TE', 'Via'],
      ...['Access-Control-Request-Method', 'X-HTTP-Method-Override', '__proto__', 'Upgrade'],
    ),
    headerValue,
  ),
  { maxLength: 6 },
)

const body = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  fc.json(),
  fc.constantFrom('{', '[]', 'null', '{"__proto__":{"admin":true}}', '{"messages":[{"id":1}]}'),
  fc.constantFrom('{"body":1,"id":"x"}', '\ufeff{}', '"'.repeat(2000), '['.repeat(20_000)),
  fc.string({ unit: 'binary', maxLength: 100 }),
)

export interface HttpRequest {
  method: string
  path: string
  headers: readonly (readonly [string, string])[]
  body: string
}

/** Well-formed as HTTP: it has to be answered. */
export const httpRequest: fc.Arbitrary<HttpRequest> = fc.record({
  method: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('GET', 'POST') },
    fc.constantFrom(...METHODS),
  ),
  path,
  headers,
  body,
})

/** The bytes of a request; `Content-Length` and `Host` are right unless the headers hold their own. */
export function bytesOf({
  method,
  path: target,
  headers: own,
  body: content,
}: HttpRequest): Buffer {
  const lines = [`${method} ${target} HTTP/1.1`]
  const has = (name: string) => own.some(([known]) => known.toLowerCase() === name)
  if (!has('host')) lines.push('Host: localhost')
  for (const [name, value] of own) lines.push(`${name}: ${value}`)
  lines.push(`Content-Length: ${Buffer.byteLength(content)}`)
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${content}`)
}

const UPGRADE = [
  'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
].join('\r\n')

const RECORDED = [
  `${UPGRADE}\r\n\r\n`,
  `${UPGRADE}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n`,
  'GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n40',
  'POST /api/rooms/a/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
  'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n',
]

/** Requests and handshakes with some bytes lost, repeated, changed or put in. */
export const rawRequest: fc.Arbitrary<Buffer> = fc
  .tuple(
    fc.constantFrom(...RECORDED),
    fc.array(
      fc.record({
        at: fc.nat(400),
        lose: fc.oneof(fc.nat(3), fc.nat(40)),
        put: fc.oneof(
          fc.constantFrom('', '\r\n', '\n', ' ', ':', '\0', '\t', 'HTTP/2.0', '&sid=x', '%'),
          fc.constantFrom('\r\nContent-Length: 5', '\r\nTransfer-Encoding: chunked', '=', '#', '?'),
          fc.constantFrom('\r\nUpgrade: h2c', '\r\nHost: b', 'a'.repeat(20_000), '\xff\xfe'),
          fc.string({ unit: 'binary', maxLength: 10 }),
        ),
      }),
      { maxLength: 4 },
    ),
  )
  .map(([recorded, changes]) => {
    let request = recorded
    for (const { at, lose, put } of changes) {
      const place = at % (request.length + 1)
      request = request.slice(0, place) + put + request.slice(place + lose)
    }
    return Buffer.from(request, 'latin1')
  })
