import { describe, expect, test } from 'vitest'
import { createMemoryStore } from '../../server/broker/memory-store.ts'
import type { Position, RoomMessage } from '../../server/protocol.ts'
import { callApi, writeApiKeys } from '../support/api-keys.ts'
import { connectClient } from '../support/client.ts'
import { startInProcess } from '../support/in-process.ts'
import { testScope } from '../support/test-scope.ts'

interface ApiPage {
  recovered: boolean
  messages: RoomMessage[]
  position: Position
  tail: Position
}

/** Two instances over one memory, and a key for everything. */
async function open(names?: Record<string, readonly string[]>, more: Record<string, string> = {}) {
  const scope = testScope()
  const { path, keys } = await writeApiKeys(scope, names)
  const store = createMemoryStore()
  const env = { API_KEYS_FILE: path, PRESENCE_GRACE: '0ms', ...more }
  const gateways = await Promise.all([
    startInProcess(scope, { ...env, INSTANCE_ID: 'one' }, { store }),
    startInProcess(scope, { ...env, INSTANCE_ID: 'two' }, { store }),
  ])
  const [one, two] = gateways
  const key = Object.values(keys)[0] ?? ''
  const call = (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
    callApi(one.url, key, method, path, body, headers)
  return { scope, one, two, keys, key, call }
}

describe('messages', () => {
  test('a backend publishes, members receive, the same id is stored once (D2)', async () => {
    const { scope, one, two, key, call } = await open()
    const ann = await connectClient(scope, two.url, { session: 'ann' })
    await ann.ask('room:join', { room: 'a/b ü' })
    const path = '/api/rooms/a%2Fb%20%C3%BC/messages'
    const message = { id: 'm1', body: { text: 'hello' }, from: { id: 'bot', name: 'Bot' } }
    const first = await call('POST', path, message)
    expect(first).toMatchObject({
      status: 201,
      reply: { ok: true, id: 'm1', position: { offset: 1 }, duplicate: false },
    })
    expect(await ann.next('room:message')).toMatchObject({ ...message, room: 'a/b ü', offset: 1 })
    const again = await callApi(two.url, key, 'POST', path, { ...message, body: 'another' })
    expect(again).toMatchObject({
      status: 200,
      reply: { duplicate: true, position: first.reply['position'] },
    })
    const unnamed = await call('POST', path, { body: null })
    expect(await ann.next('room:message')).toMatchObject({
      id: unnamed.reply['id'],
      body: null,
      from: { id: 'api:backend', name: 'backend' },
    })
    expect(one.health().connections).toBe(0)
  })

  test('D2 an Idempotency-Key stands for ids, in the scope of the key’s name', async () => {
    const { one, two, keys } = await open({ backend: [], other: [] })
    const post = (url: string, key: string | undefined, body: unknown) =>
      callApi(url, key, 'POST', '/api/rooms/r/messages', body, { 'idempotency-key': 'order 7' })
    const statuses = await Promise.all(
      [one, two, one, two].map(({ url }) => post(url, keys['backend'], { body: 1 })),
    )
    expect(statuses.map(({ status }) => status).sort()).toEqual([200, 200, 200, 201])
    expect((await post(one.url, keys['other'], { body: 1 })).status).toBe(201)
    const many = [{ body: 'a' }, { body: 'b', id: 'seen as this' }]
    const first = await post(one.url, keys['backend'], many)
    const again = await post(two.url, keys['backend'], many)
    expect(first.reply).toMatchObject({
      results: [
        { duplicate: false, position: { offset: 3 } },
        { duplicate: false, position: { offset: 4 }, id: 'seen as this' },
      ],
    })
    expect(again.reply).toMatchObject({
      results: [{ duplicate: true, position: { offset: 3 } }, { duplicate: true }],
    })
  })

  test('D2 one Idempotency-Key may look like a message of another, or like an id', async () => {
    const { call } = await open()
    const post = (body: unknown, key?: string) =>
      call(
        'POST',
        '/api/rooms/r/messages',
        body,
        key === undefined ? {} : { 'idempotency-key': key },
      )
    expect((await post([{ body: 'first' }], 'B')).status).toBe(200)
    expect((await post({ body: 'another' }, 'B/0')).status).toBe(201)
    expect((await post({ body: 'a third', id: 'B/0' })).status).toBe(201)
    expect((await post([{ body: 'a fourth', id: 'm0/B' }])).reply).toMatchObject({
      results: [{ duplicate: false }],
    })
    expect((await post([{ body: 'first' }], 'B')).reply).toMatchObject({
      results: [{ id: 'B/0', duplicate: true, position: { offset: 1 } }],
    })
  })

  test('many are stored in order, and read in pages after a position', async () => {
    const { call, one, key } = await open()
    const bodies = Array.from({ length: 100 }, (_, index) => index)
    await call(
      'POST',
      '/api/rooms/r/messages',
      bodies.map((body) => ({ body })),
    )
    const page = async (after: string) => {
      const path = `/api/rooms/r/messages?limit=30${after}`
      return (await callApi<ApiPage>(one.url, key, 'GET', path)).reply
    }
    const newest = await page('')
    expect(newest.messages.map(({ offset }) => offset)).toEqual(bodies.slice(71).concat(100))
    const read: unknown[] = []
    let place: Position = { epoch: newest.tail.epoch, offset: 0 }
    while (place.offset < newest.tail.offset) {
      const { messages, position, recovered } = await page(
        `&after=${place.epoch}:${place.offset}${place.at ? `:${place.at}` : ''}`,
      )
      expect(recovered).toBe(true)
      read.push(...messages.map(({ body }) => body))
      place = position
    }
    expect(place).toEqual(newest.tail)
    expect(read).toEqual(bodies)
    const { reply } = await call('GET', '/api/rooms/r/messages?limit=2&after=elsewhere:7')
    expect(reply).toMatchObject({ recovered: false, messages: [{ offset: 99 }, { offset: 100 }] })
  })

  test.each([
    [{}, 'body: is missing'],
    [{ body: 1, id: '' }, 'id: must not be empty'],
    [{ body: 1, id: 'x'.repeat(129) }, 'id: must be at most 128 characters'],
    [{ body: 1, from: { name: 'x' } }, 'from.id: is missing'],
    [{ body: 1, from: 'me' }, 'from: must be an object'],
    [[], 'body: must not be empty'],
    [Array(101).fill({ body: 1 }), 'body: must be at most 100 entries'],
    [[{ body: 1 }, {}], '1.body: is missing'],
    [[{ body: 1 }, { body: 1, id: 7 }], '1.id: must be a string'],
    ['7', 'body: must be'],
    ['{"body":', 'body: must be JSON'],
    ['{"body":[1,{"far":1e400}]}', 'body: a number is too large'],
  ])('%j is refused: %s', async (body, message) => {
    const { call } = await open()
    const { status, reply } = await call('POST', '/api/rooms/r/messages', body)
    expect(status).toBe(400)
    expect(reply).toMatchObject({ ok: false, error: { code: 'BAD_REQUEST', retryable: false } })
    expect((reply['error'] as { message: string }).message).toContain(message)
  })

  test('what is not UTF-8 is refused, not stored as something else', async () => {
    const { one, key } = await open()
    const answer = await fetch(`${one.url}/api/rooms/r/messages`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: Buffer.from('{"body":"caf\xe9"}', 'latin1'),
    })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({
      error: { code: 'BAD_REQUEST', message: 'body: must be JSON in UTF-8' },
    })
  })

  test('limits and other refusals name what is wrong', async () => {
    const { call, one, key } = await open()
    const error = async (...args: Parameters<typeof call>) => {
      const { status, reply } = await call(...args)
      return `${status} ${(reply['error'] as { message: string }).message}`
    }
    const path = '/api/rooms/r/messages'
    expect(await error('POST', path, { body: 'x'.repeat(70_000) })).toContain(
      '413 body: must be at',
    )
    expect(await error('POST', path, { body: 'x'.repeat(3_000_000) })).toBe(
      '413 body: must be at most 1048576 bytes',
    )
    expect(await error('POST', '/api/rooms/%ff/messages', { body: 1 })).toContain('400 path: must')
    const json = 'application/json'
    for (const [headers, named] of [
      [{ 'content-type': `${json}; charset=latin1` }, 'content-type: the charset'],
      [{ 'content-type': json, 'content-encoding': 'rot13' }, 'content-encoding: must be'],
      [{ 'content-type': json, 'content-encoding': 'gzip' }, 'body: is not what'],
      [{ 'content-type': json, 'content-encoding': 'br' }, 'body: is not what'],
    ] as const) {
      expect(await error('POST', path, { body: 1 }, headers)).toContain(`400 ${named}`)
    }
    expect(await error('POST', path, { body: 1 }, { 'content-type': 'text/plain' })).toContain(
      '400 content-type',
    )
    expect(
      await error('POST', path, { body: 1 }, { 'idempotency-key': 'x'.repeat(121) }),
    ).toContain('400 idempotency-key')
    expect(await error('GET', `${path}?limit=1001`)).toContain('400 limit: must be at most 1000')
    for (const wrong of ['', '%20', 'x', '-1', '1.5']) {
      expect(await error('GET', `${path}?limit=${wrong}`)).toContain('400 limit: must be')
    }
    expect(await error('GET', '/api/rooms/r/members?limit=')).toContain('400 limit: must be')
    expect((await call('GET', `${path}?limit=0`)).reply).toMatchObject({ messages: [] })
    expect(await error('GET', `${path}?after=7`)).toContain('400 after: must be <epoch>:<offset>')
    expect(await error('GET', `/api/rooms/${'x'.repeat(201)}/messages`)).toContain('400 room')
    expect(await error('GET', '/api/rooms/%ff/messages')).toContain('400')
    expect(await error('PUT', path)).toContain('404')
    expect((await fetch(`${one.url}${path}`, { headers: { 'x-api-key': key } })).status).toBe(200)
  })
})

describe('keys', () => {
  test('without a key, with a wrong one, or with one of other scopes nothing is done', async () => {
    const { one, keys } = await open({ reader: ['read'], publisher: ['publish'] })
    const status = async (key: string | undefined, method: string, path: string) =>
      (await callApi(one.url, key, method, path, method === 'GET' ? undefined : { body: 1 })).status
    const path = '/api/rooms/r/messages'
    expect(await status(undefined, 'POST', path)).toBe(401)
    expect(await status('rw_guess', 'POST', path)).toBe(401)
    expect(await status(keys['reader'], 'POST', path)).toBe(403)
    expect(await status(keys['reader'], 'GET', path)).toBe(200)
    expect(await status(keys['publisher'], 'GET', path)).toBe(403)
    expect(await status(keys['publisher'], 'DELETE', '/api/rooms/r')).toBe(403)
    expect(await status(keys['publisher'], 'POST', '/api/users/ann/disconnect')).toBe(403)
  })

  test('without API_KEYS_FILE the API says which setting is missing', async () => {
    const scope = testScope()
    const { url } = await startInProcess(scope)
    const { status, reply } = await callApi(url, 'rw_any', 'POST', '/api/rooms/r/messages', {})
    expect(status).toBe(401)
    expect(JSON.stringify(reply)).toContain('API_KEYS_FILE')
  })
})

test('members are those of all instances', async () => {
  const { scope, one, two, call } = await open()
  for (const [gateway, name] of [
    [one, 'Ann'],
    [two, 'Ben'],
    [two, 'Ben'],
  ] as const) {
    const client = await connectClient(scope, gateway.url, { session: name, name })
    await client.ask('room:join', { room: 'r' })
  }
  const members = async () => (await call('GET', '/api/rooms/r/members')).reply
  await expect.poll(members).toMatchObject({ ok: true, count: 2 })
  expect(await members()).toMatchObject({
    members: [{ user: { name: 'Ann' }, since: expect.any(Number) }, { user: { name: 'Ben' } }],
  })
  expect((await call('GET', '/api/rooms/r/members?limit=1')).reply).toMatchObject({
    count: 2,
    members: [{ user: { name: 'Ann' } }],
  })
})

test('D6 a purged room begins anew: its members are told, its messages are gone', async () => {
  const { scope, two, call } = await open()
  const ann = await connectClient(scope, two.url, { session: 'ann' })
  await call('POST', '/api/rooms/r/messages', [
    { id: 'a', body: 1 },
    { id: 'b', body: 2 },
  ])
  const { position: before } = await ann.ask('room:join', { room: 'r' })
  const { status, reply } = await call('DELETE', '/api/rooms/r')
  expect(status).toBe(200)
  const position = reply['position'] as { epoch: string; offset: number }
  expect(position.offset).toBe(0)
  expect(position.epoch).not.toBe(before.epoch)
  expect(await ann.next('room:reset')).toEqual({ room: 'r', position })
  const again = await call('POST', '/api/rooms/r/messages', { id: 'a', body: 3 })
  expect(again.reply).toMatchObject({ duplicate: false, position: { offset: 1 } })
  expect(await ann.next('room:message')).toMatchObject({
    epoch: position.epoch,
    offset: 1,
    body: 3,
  })
  const resumed = await ann.ask('room:join', { room: 'r', since: before })
  expect(resumed).toMatchObject({ recovered: false, messages: [{ body: 3 }] })
})

test('a user is disconnected, to come back or to stay away', async () => {
  const { scope, one, call } = await open()
  const connect = () => connectClient(scope, one.url, { session: 'ann' })
  const [stays, goes] = [await connectClient(scope, one.url), await connect()]
  const { user } = await goes.ask('gateway:hello', {})
  const path = `/api/users/${user.id}/disconnect`
  expect((await call('POST', path, { reconnect: true })).status).toBe(202)
  expect(await goes.next('gateway:bye')).toEqual({ code: 'DISCONNECTED', reconnect: true })
  await goes.next('connect')
  await call('POST', path, {})
  expect(await goes.next('gateway:bye')).toEqual({ code: 'DISCONNECTED', reconnect: false })
  await expect.poll(() => goes.received('disconnect').at(-1)).toBe('io server disconnect')
  expect(stays.socket.connected).toBe(true)
})

test('of three claimants one wins; it renews, another takes over what was released', async () => {
  const { call } = await open()
  const claim = (holder: string, more = {}) =>
    call('POST', '/api/rooms/r/claims', {
      id: 'm',
      group: 'bots',
      leaseMs: 60_000,
      holder,
      ...more,
    })
  const three = await Promise.all(['a', 'b', 'c'].map((holder) => claim(holder)))
  const [winner = expect.fail()] = three.filter(({ reply }) => reply['claimed'])
  const losers = three.filter(({ reply }) => !reply['claimed'])
  expect(losers).toHaveLength(2)
  expect(losers[0]?.reply).toMatchObject({ done: false, retryAfterMs: expect.any(Number) })
  const holder = String(winner.reply['holder'])
  expect((await claim(holder)).reply).toMatchObject({ claimed: true, leaseMs: 60_000 })
  const release = (name: string) =>
    call('DELETE', '/api/rooms/r/claims', { id: 'm', group: 'bots', holder: name })
  expect((await release('nobody')).reply).toEqual({ ok: true, released: false })
  expect((await release(holder)).reply).toEqual({ ok: true, released: true })
  expect((await claim('d', { done: true })).reply).toMatchObject({ claimed: true, done: true })
  expect((await claim('a')).reply).toMatchObject({ claimed: false, done: true })
  expect((await claim('a', { leaseMs: 1 })).status).toBe(400)
})

test('a backend that asks too often is told when to ask again; others are not concerned', async () => {
  const { one, keys } = await open({ busy: [], calm: [] }, { LIMIT_KEY_REQUESTS: '3/1m' })
  const ask = (key = '') =>
    fetch(`${one.url}/api/rooms/r/members`, { headers: { authorization: `Bearer ${key}` } })
  const answers = [await ask(keys['busy']), await ask(keys['busy']), await ask(keys['busy'])]
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  const refused = await ask(keys['busy'])
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60)
  expect(await refused.json()).toMatchObject({
    ok: false,
    error: { code: 'RATE_LIMITED', retryable: true, retryAfterMs: expect.any(Number) },
  })
  expect((await ask(keys['calm'])).status).toBe(200)
  expect((await ask('rw_guessed')).status).toBe(401)
})
