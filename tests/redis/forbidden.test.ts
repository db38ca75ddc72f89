import { createPublicKey, createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { beforeAll, describe, expect, test } from 'vitest'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { type InProcessGateway, startInProcess } from '../support/in-process.ts'
import { assemble, createIssuer, type Issuer, seconds, sign } from '../support/issuer.ts'
import { startRedis } from '../support/redis-server.ts'
import { answerOf, refusalOf, refusalOfRequest, UPGRADE } from '../support/refusal.ts'
import { testScope } from '../support/test-scope.ts'

/** One way to get in, or to be heard, where one may not; and the code that answers it. */
type Attempt = readonly [attempt: string, code: string, run: () => Promise<string>]

const scope = testScope()
const ISSUER = 'https://issuer.example'
const AUDIENCE = 'chat'
const APP = 'https://app.example'
const KID = 'current'
const standard = { iss: ISSUER, aud: AUDIENCE }
const mine = {
  ...standard,
  roomwire: { rooms: ['user:{sub}'], join: ['team', 'quiet'], send: ['team'] },
}

/** Tokens by a secret, by a public key, by published keys. */
let hs: Issuer
let rs: Issuer
let es: Issuer
let withSecret: InProcessGateway
let withKey: InProcessGateway
let withKeySet: InProcessGateway

beforeAll(async () => {
  ;[hs, rs, es] = (await Promise.all(
    (['HS256', 'RS256', 'ES256'] as const).map((alg) => createIssuer(scope, alg)),
  )) as [Issuer, Issuer, Issuer]
  const redis = await startRedis(scope)
  const jwksUrl = await publishKeys({
    ...createPublicKey(es.publicKey ?? '').export({ format: 'jwk' }),
    ...{ kid: KID, alg: 'ES256', use: 'sig' },
  })
  const common = {
    REDIS_URL: redis.url(),
    JWT_ISSUER: ISSUER,
    JWT_AUDIENCE: AUDIENCE,
    JWT_CLOCK_SKEW: '0ms',
    PUBLIC_ROOMS: 'lobby',
    LIMIT_REFUSALS: 'off',
  }
  const start = (prefix: string, env: Record<string, string>) =>
    startInProcess(scope, { ...common, REDIS_KEY_PREFIX: `roomwire:${prefix}`, ...env })
  ;[withSecret, withKey, withKeySet] = await Promise.all([
    start('secret', {
      ...hs.env,
      JWT_COOKIE: 'session',
      CORS_ALLOW_ORIGIN: APP,
      TRUST_PROXY: '0',
      LIMIT_ADDRESS_CONNECTS: 'off',
      MAX_ROOMS: '2',
      OPERATOR_TOKEN: 'o',
    }),
    start('key', rs.env),
    start('keyset', { AUTH_MODE: 'jwt', JWT_JWKS_URL: jwksUrl }),
  ])
  // Something worth reading in rooms that are not ours.
  const owner = await connectClient(scope, withSecret.url, {
    token: await hs.token({ ...standard, sub: 'bob', roomwire: { rooms: ['*'] } }),
  })
  for (const room of ['user:bob', 'secret', 'team', 'quiet']) {
    await owner.ask('room:send', { room, id: '1', body: 'private' })
  }
}, 60_000)

async function publishKeys(...keys: object[]): Promise<string> {
  const server = createServer((_request, response) => response.end(JSON.stringify({ keys })))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  scope.defer(() => new Promise((resolve) => server.close(resolve)))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
}

/** With this as the token of the handshake. */
const token = (gateway: () => InProcessGateway, make: () => string | Promise<string>) => async () =>
  refusalOf(scope, gateway().url, { auth: { token: await make() } })
const bySecret = (claims: object) =>
  token(
    () => withSecret,
    () => hs.token({ ...standard, ...claims }),
  )
const auth = (value: object) => () => refusalOf(scope, withSecret.url, { auth: value })
const headers = (make: () => Promise<Record<string, string>>) => async () =>
  refusalOf(scope, withSecret.url, { headers: await make() })

/** As alice, who may do all in her own room, join `team` and `quiet`, and send to `team`. */
const asAlice =
  (event: string, payload: unknown, claims: object = mine) =>
  async () =>
    refusalOfRequest(scope, withSecret.url, { token: await hs.token(claims as never) }, [
      event,
      payload,
    ])

const http =
  (path: string, options: Parameters<typeof answerOf>[1] = {}) =>
  () =>
    answerOf(`${withSecret.url}${path}`, options)
const POLLING = '/socket.io/?EIO=4&transport=polling'
const WEBSOCKET = '/socket.io/?EIO=4&transport=websocket'
const from = (Origin: string, others: Record<string, string> = {}) => ({
  headers: { Origin, ...others },
})

const handshakes: Attempt[] = [
  ['no token', 'UNAUTHORIZED', auth({})],
  ['an empty token', 'UNAUTHORIZED', auth({ token: '' })],
  ['a token that is no text', 'BAD_REQUEST', auth({ token: { $ne: null } })],
  ['a token that is a list', 'BAD_REQUEST', auth({ token: ['a.b.c'] })],
  ['a token that is none', 'UNAUTHORIZED', auth({ token: 'admin' })],
  ['a token of two parts', 'UNAUTHORIZED', auth({ token: 'e30.e30' })],
  ['a token of five parts, encrypted', 'UNAUTHORIZED', auth({ token: 'e30.e30.e30.e30.e30' })],
  ['a token that is too long', 'BAD_REQUEST', auth({ token: 'x'.repeat(20_000) })],
  ['a name in place of a token', 'UNAUTHORIZED', auth({ name: 'alice' })],
  ['a session in place of a token', 'UNAUTHORIZED', auth({ session: 'alice' })],
  [
    'a user in place of a token',
    'UNAUTHORIZED',
    auth({ user: 'alice', sub: 'alice', identity: { user: { id: 'alice' } } }),
  ],
  [
    'prototype keys',
    'UNAUTHORIZED',
    auth(JSON.parse('{"__proto__":{"token":"x"},"constructor":{"token":"x"}}')),
  ],
  ['an expired token', 'UNAUTHORIZED', bySecret({ exp: seconds(-10) })],
  ['a token that is not valid yet', 'UNAUTHORIZED', bySecret({ nbf: seconds(600) })],
  ['a token of the future', 'UNAUTHORIZED', bySecret({ iat: seconds(600) })],
  ['a token that never expires', 'UNAUTHORIZED', bySecret({ exp: undefined })],
  [
    'an expiry that is a text',
    'UNAUTHORIZED',
    token(
      () => withSecret,
      () => hs.token({ ...standard, exp: '99999999999' as never }),
    ),
  ],
  ['another audience', 'UNAUTHORIZED', bySecret({ aud: 'billing' })],
  ['no audience', 'UNAUTHORIZED', bySecret({ aud: undefined })],
  ['another issuer', 'UNAUTHORIZED', bySecret({ iss: 'https://evil.example' })],
  ['an issuer that only begins alike', 'UNAUTHORIZED', bySecret({ iss: `${ISSUER}.evil.example` })],
  ['no issuer', 'UNAUTHORIZED', bySecret({ iss: undefined })],
  ['no user', 'UNAUTHORIZED', bySecret({ sub: undefined })],
  ['an empty user', 'UNAUTHORIZED', bySecret({ sub: '' })],
  ['a user who is an object', 'UNAUTHORIZED', bySecret({ sub: { id: 'bob' } })],
  ['a user of 200 characters', 'UNAUTHORIZED', bySecret({ sub: 'x'.repeat(200) })],
  [
    'alg none',
    'UNAUTHORIZED',
    token(
      () => withSecret,
      () => assemble({ alg: 'none' }, { ...standard, sub: 'alice', exp: seconds(60) }),
    ),
  ],
  [
    'alg nOnE',
    'UNAUTHORIZED',
    token(
      () => withSecret,
      () => assemble({ alg: 'nOnE' }, { ...standard, sub: 'alice', exp: seconds(60) }),
    ),
  ],
  [
    'alg none with a public key',
    'UNAUTHORIZED',
    token(
      () => withKey,
      () => assemble({ alg: 'none' }, { ...standard, sub: 'alice', exp: seconds(60) }),
    ),
  ],
  [
    'alg none with published keys',
    'UNAUTHORIZED',
    token(
      () => withKeySet,
      () => assemble({ alg: 'none', kid: KID }, { ...standard, sub: 'alice', exp: seconds(60) }),
    ),
  ],
  [
    'no alg',
    'UNAUTHORIZED',
    token(
      () => withSecret,
      () => assemble({ typ: 'JWT' }, { ...standard, sub: 'alice', exp: seconds(60) }),
    ),
  ],
  [
    'key confusion: the public key as the secret',
    'UNAUTHORIZED',
    token(
      () => withKey,
      () => sign(createSecretKey(Buffer.from(rs.publicKey ?? '')), standard, { alg: 'HS256' }),
    ),
  ],
  [
    'key confusion: the published key as the secret',
    'UNAUTHORIZED',
    token(
      () => withKeySet,
      () =>
        sign(createSecretKey(Buffer.from(es.publicKey ?? '')), standard, {
          alg: 'HS256',
          kid: KID,
        }),
    ),
  ],
  [
    'another secret',
    'UNAUTHORIZED',
    token(
      () => withSecret,
      () => sign(createSecretKey(randomBytes(64)), standard, { alg: 'HS256' }),
    ),
  ],
  [
    'an empty secret',
    'UNAUTHORIZED',
    token(
      () => withSecret,
      () => `${assemble({ alg: 'HS256' }, { ...standard, sub: 'alice', exp: seconds(60) }, 'AA')}`,
    ),
  ],
  [
    'another key pair',
    'UNAUTHORIZED',
    token(
      () => withKey,
      async () => (await createIssuer(scope, 'RS256')).token(standard),
    ),
  ],
  [
    'a key pair of another kind',
    'UNAUTHORIZED',
    token(
      () => withKey,
      () => es.token(standard),
    ),
  ],
  [
    'a tampered payload',
    'UNAUTHORIZED',
    token(
      () => withSecret,
      async () =>
        (await hs.token(standard)).replace(
          /\.[^.]+\./,
          `.${Buffer.from(JSON.stringify({ ...standard, sub: 'bob', exp: seconds(60) })).toString('base64url')}.`,
        ),
    ),
  ],
  [
    'a signature cut off',
    'UNAUTHORIZED',
    token(
      () => withSecret,
      async () => (await hs.token(standard)).replace(/[^.]+$/, ''),
    ),
  ],
  [
    'a key id that is not published',
    'UNAUTHORIZED',
    token(
      () => withKeySet,
      () => es.token(standard, { kid: 'other' }),
    ),
  ],
  [
    'a key id that is a path',
    'UNAUTHORIZED',
    token(
      () => withKeySet,
      () => es.token(standard, { kid: '../../dev/null' }),
    ),
  ],
  [
    'a published key of somebody else',
    'UNAUTHORIZED',
    token(
      () => withKeySet,
      async () => (await createIssuer(scope, 'ES256')).token(standard, { kid: KID }),
    ),
  ],
  [
    'a key of one’s own in the header (jwk)',
    'UNAUTHORIZED',
    token(
      () => withKey,
      ownKey((jwk) => ({ jwk })),
    ),
  ],
  [
    'a key set of one’s own in the header (jku)',
    'UNAUTHORIZED',
    token(
      () => withKeySet,
      ownKey(() => ({ jku: 'http://127.0.0.1:1/jwks' })),
    ),
  ],
  [
    'a certificate of one’s own in the header (x5u)',
    'UNAUTHORIZED',
    token(
      () => withKey,
      ownKey(() => ({ x5u: 'http://127.0.0.1:1/cert' })),
    ),
  ],
  [
    'a header that demands what nobody knows (crit)',
    'UNAUTHORIZED',
    token(
      () => withSecret,
      async () => assemble({ alg: 'HS256', crit: ['exp2'], exp2: 1 }, standard, 'AA'),
    ),
  ],
  [
    'a token in the query',
    'UNAUTHORIZED',
    async () => refusalOf(scope, `${withSecret.url}/?token=${await hs.token(standard)}`),
  ],
  [
    'a header without Bearer',
    'UNAUTHORIZED',
    headers(async () => ({ Authorization: await hs.token(standard) })),
  ],
  [
    'an expired token in the header',
    'UNAUTHORIZED',
    headers(async () => ({
      Authorization: `Bearer ${await hs.token({ ...standard, exp: seconds(-1) })}`,
    })),
  ],
  [
    'basic authentication',
    'UNAUTHORIZED',
    headers(async () => ({ Authorization: 'Basic YWxpY2U6YWxpY2U=' })),
  ],
  [
    'a cookie without an origin',
    'UNAUTHORIZED',
    headers(async () => ({ Cookie: `session=${await hs.token(standard)}` })),
  ],
  [
    'two cookies of the name',
    'UNAUTHORIZED',
    headers(async () => ({
      Origin: APP,
      Cookie: `session=${await hs.token(standard)}; session=${await hs.token({ ...standard, sub: 'bob' })}`,
    })),
  ],
  [
    'another cookie',
    'UNAUTHORIZED',
    headers(async () => ({ Origin: APP, Cookie: `token=${await hs.token(standard)}` })),
  ],
  [
    'headers that proxies set',
    'UNAUTHORIZED',
    headers(async () => ({
      'X-Forwarded-User': 'alice',
      'X-User-Id': 'alice',
      'X-Auth-Request-User': 'alice',
    })),
  ],
]

/** Signed by a key that the token itself brings or points to. */
function ownKey(header: (jwk: object) => object) {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = publicKey.export({ format: 'jwk' })
  return () => sign(privateKey, standard, { alg: 'RS256', ...header(jwk) })
}

const pages: Attempt[] = [
  [
    'a WebSocket of another origin',
    '403 FORBIDDEN',
    http(WEBSOCKET, from('https://evil.example', UPGRADE)),
  ],
  ['polling of another origin', '403 FORBIDDEN', http(POLLING, from('https://evil.example'))],
  [
    'a WebSocket of no origin at all (null)',
    '403 FORBIDDEN',
    http(WEBSOCKET, from('null', UPGRADE)),
  ],
  ['an origin that begins like ours', '403 FORBIDDEN', http(POLLING, from(`${APP}.evil.example`))],
  [
    'our origin over plain HTTP',
    '403 FORBIDDEN',
    http(POLLING, from(APP.replace('https', 'http'))),
  ],
  ['our origin at another port', '403 FORBIDDEN', http(POLLING, from(`${APP}:8443`))],
  [
    'a user name that looks like our origin',
    '403 FORBIDDEN',
    http(POLLING, from('https://app.example@evil.example')),
  ],
  [
    'a host that a client claims was forwarded',
    '403 FORBIDDEN',
    http(
      POLLING,
      from('https://evil.example', {
        'X-Forwarded-Host': 'evil.example',
        Forwarded: 'host=evil.example',
      }),
    ),
  ],
  ['two origins', '403 FORBIDDEN', http(POLLING, from(`${APP}, https://evil.example`))],
  [
    'a cookie of another origin',
    '403 FORBIDDEN',
    async () =>
      answerOf(
        `${withSecret.url}${WEBSOCKET}`,
        from('https://evil.example', { ...UPGRADE, Cookie: `session=${await hs.token(standard)}` }),
      ),
  ],
  ['the operators’ page without its token', '401 UNAUTHORIZED', http('/ops/data')],
  [
    'figures with a user’s token',
    '403 FORBIDDEN',
    async () =>
      answerOf(`${withSecret.url}/api/monitoring/stats`, {
        headers: { Authorization: `Bearer ${await hs.token(standard)}` },
      }),
  ],
  [
    'draining through a claimed proxy',
    '401 UNAUTHORIZED',
    http('/api/drain', { method: 'POST', headers: { 'X-Forwarded-For': '127.0.0.1' } }),
  ],
]

const rooms: Attempt[] = [
  ['joining another user’s room', 'FORBIDDEN', asAlice('room:join', { room: 'user:bob' })],
  ['joining a room that nobody granted', 'FORBIDDEN', asAlice('room:join', { room: 'secret' })],
  ['joining a room that does not exist', 'FORBIDDEN', asAlice('room:join', { room: 'nowhere' })],
  [
    'resuming into another user’s room',
    'FORBIDDEN',
    asAlice('room:join', { room: 'user:bob', since: { epoch: 'x', offset: 0 } }),
  ],
  [
    'sending to another user’s room',
    'FORBIDDEN',
    asAlice('room:send', { room: 'user:bob', id: '1', body: 1 }),
  ],
  [
    'sending where one may only listen',
    'FORBIDDEN',
    asAlice('room:send', { room: 'quiet', id: '1', body: 1 }),
  ],
  ['reading another user’s room', 'FORBIDDEN', asAlice('room:history', { room: 'user:bob' })],
  ['reading before an offset', 'FORBIDDEN', asAlice('room:history', { room: 'secret', before: 5 })],
  ['a room whose name differs in case', 'FORBIDDEN', asAlice('room:join', { room: 'Team' })],
  ['a room whose name goes on', 'FORBIDDEN', asAlice('room:join', { room: 'team:private' })],
  ['a room with white space around', 'FORBIDDEN', asAlice('room:join', { room: ' team ' })],
  ['a room with a zero byte', 'FORBIDDEN', asAlice('room:join', { room: 'team\0' })],
  ['a room that looks alike', 'FORBIDDEN', asAlice('room:join', { room: 'te\u0430m' })],
  ['a room called like a pattern', 'FORBIDDEN', asAlice('room:join', { room: 'user:*' })],
  ['a room called {sub}', 'FORBIDDEN', asAlice('room:join', { room: 'user:{sub}' })],
  ['a room of prototypes', 'FORBIDDEN', asAlice('room:join', { room: '__proto__' })],
  [
    'a user called * in {sub}',
    'FORBIDDEN',
    asAlice('room:join', { room: 'user:bob' }, { ...mine, sub: '*' }),
  ],
  [
    'a claim that is no object',
    'FORBIDDEN',
    asAlice('room:join', { room: 'team' }, { ...standard, roomwire: '*' }),
  ],
  [
    'a claim whose lists are texts',
    'FORBIDDEN',
    asAlice('room:join', { room: 'team' }, { ...standard, roomwire: { join: '*' } }),
  ],
  [
    'a claim of prototypes',
    'FORBIDDEN',
    asAlice(
      'room:join',
      { room: 'team' },
      { ...standard, roomwire: JSON.parse('{"__proto__":{"join":["*"]}}') },
    ),
  ],
  ['no claim', 'FORBIDDEN', asAlice('room:join', { room: 'team' }, standard)],
  ['a huge room name', 'BAD_REQUEST', asAlice('room:join', { room: 'x'.repeat(100_000) })],
  [
    'a room name of 201 bytes',
    'BAD_REQUEST',
    asAlice('room:send', { room: 'é'.repeat(101), id: '1', body: 1 }),
  ],
  ['a room that is a list', 'BAD_REQUEST', asAlice('room:join', { room: ['team', 'user:bob'] })],
  [
    'a refresh with another user’s token',
    'FORBIDDEN',
    async () => asAlice('auth:refresh', { token: await hs.token({ ...mine, sub: 'bob' }) })(),
  ],
  [
    'a refresh with an expired token',
    'UNAUTHORIZED',
    async () => asAlice('auth:refresh', { token: await hs.token({ ...mine, exp: seconds(-1) }) })(),
  ],
  ['a refresh with no token', 'BAD_REQUEST', asAlice('auth:refresh', { token: '' })],
]

describe('who gets in', () => {
  test.each([...handshakes])('%s is refused: %s', async (_attempt, code, run) => {
    expect(await run()).toBe(code)
  })
  test.each([...pages])('%s is refused: %s', async (_attempt, code, run) => {
    expect(await run()).toBe(code)
  })
})

describe('who is heard', () => {
  test.each([...rooms])('%s is refused: %s', async (_attempt, code, run) => {
    expect(await run()).toBe(code)
  })
})

test('at least 60 attempts are refused', () => {
  expect(handshakes.length + pages.length + rooms.length).toBeGreaterThanOrEqual(60)
})

test('those who may, do', async () => {
  const valid = await hs.token(mine)
  expect(await refusalOf(scope, withSecret.url, { auth: { token: valid } })).toBe('connected')
  expect(await refusalOf(scope, withKey.url, { auth: { token: await rs.token(standard) } })).toBe(
    'connected',
  )
  const published = await es.token(standard, { kid: KID })
  expect(await refusalOf(scope, withKeySet.url, { auth: { token: published } })).toBe('connected')
  const bearer = { Authorization: `Bearer ${valid}` }
  expect(await refusalOf(scope, withSecret.url, { headers: bearer, transport: 'polling' })).toBe(
    'connected',
  )
  const cookie = { Origin: APP, Cookie: `a=b; session=${valid}` }
  expect(await refusalOf(scope, withSecret.url, { headers: cookie })).toBe('connected')
  expect(await asAlice('room:join', { room: 'user:alice' })()).toBe('ok')
  expect(await asAlice('room:join', { room: 'lobby' })()).toBe('ok')
  expect(await asAlice('room:send', { room: 'team', id: 'a', body: 1 })()).toBe('ok')
  expect(await asAlice('room:history', { room: 'quiet' })()).toBe('ok')
})

test('D5: who may join but not read history begins with what comes next', async () => {
  const roomwire = { join: ['team'], history: [], send: ['team'] }
  const client = await connectClient(scope, withSecret.url, {
    token: await hs.token({ ...standard, sub: 'carol', roomwire }),
  })
  const joined = await client.ask('room:join', { room: 'team' })
  expect(joined).toMatchObject({ messages: [], recovered: true })
  await client.ask('room:send', { room: 'team', id: 'next', body: 'now' })
  expect(await client.next('room:message')).toMatchObject({ body: 'now', from: { id: 'carol' } })
  const since = { epoch: joined.position.epoch, offset: 0 }
  expect(await client.ask('room:join', { room: 'team', since })).toMatchObject({
    messages: [],
    recovered: false,
  })
})

test('typing in a room where one may only listen reaches nobody', async () => {
  const roomwire = { join: ['typing'], send: [] }
  const silent = await connectClient(scope, withSecret.url, {
    token: await hs.token({ ...standard, sub: 'dave', roomwire }),
  })
  const speaker = await connectClient(scope, withSecret.url, {
    token: await hs.token({ ...standard, sub: 'erin', roomwire: { rooms: ['typing'] } }),
  })
  const listener = await connectClient(scope, withSecret.url, {
    token: await hs.token({ ...standard, sub: 'finn', roomwire: { rooms: ['typing'] } }),
  })
  for (const client of [silent, speaker, listener])
    await client.ask('room:join', { room: 'typing' })
  const typing = { room: 'typing', typing: true }
  // An instance that cannot keep up drops them: until one has come through.
  await eventually(() => {
    silent.socket.emit('room:typing', typing)
    speaker.socket.emit('room:typing', typing)
    return listener.received('room:typing').length > 0
  })
  const heard = listener.received<{ from: { id: string } }>('room:typing')
  expect(new Set(heard.map(({ from }) => from.id))).toEqual(new Set(['erin']))
})
