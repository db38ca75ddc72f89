import { io } from 'socket.io-client'
import { describe, expect, test } from 'vitest'
import { startApplication as startMoved } from '../../examples/moved-application/after.ts'
import { startApplication as startOriginal } from '../../examples/moved-application/before.ts'
import type { Identify } from '../../server/edge/identifying.ts'
import { GatewayError } from '../../server/errors.ts'
import { createLogger } from '../../server/observability/logger.ts'
import type { RoomMessage } from '../../server/protocol.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startInProcess } from '../support/in-process.ts'
import { createIssuer } from '../support/issuer.ts'
import { startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

type Application = typeof startMoved

/** What the application does for two of its people, on two instances, before and after. */
async function useIt(scope: Scope, urls: readonly [string, string]): Promise<void> {
  const enter = (url: string, id: string) =>
    connectClient(scope, url, { auth: { ticket: `ticket of ${id}` } })
  const [ann, ben] = await Promise.all([enter(urls[0], 'ann'), enter(urls[1], 'ben')])
  for (const { socket } of [ann, ben]) await socket.timeout(5000).emitWithAck('chat:join', 'den')
  await ann.socket.timeout(5000).emitWithAck('chat:say', 'den', ' hello ')
  const said = { room: 'den', text: 'hello', from: 'Ann' }
  expect(await ben.next('chat:said')).toEqual(said)
  expect(await ann.next('chat:said')).toEqual(said)
  const long = 'x'.repeat(201)
  expect(await ann.socket.timeout(5000).emitWithAck('chat:say', 'den', long)).toBe('too long')
  const admin = await enter(`${urls[0]}/admin`, 'ann')
  expect(await admin.socket.timeout(5000).emitWithAck('count')).toBe(2)
  expect(await (await fetch(`${urls[1]}/rules`)).json()).toEqual({ maxLength: 200 })
  for (const namespace of ['', '/admin']) {
    const stranger = enter(`${urls[0]}${namespace}`, 'nobody')
    await expect(stranger).rejects.toMatchObject({ cause: { message: 'sign in first' } })
  }
}

test('the example: an application as it was, and moved, on two instances', async () => {
  const scope = testScope()
  const redis = await startRedis(scope, { rights: 'all' })
  const start = async (application: Application, instance: string) => {
    const { port, stop } = await application({
      ...{ HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'silent', ...quick },
      ...{ INSTANCE_ID: instance, REDIS_URL: redis.url() },
    })
    scope.defer(stop)
    return `http://127.0.0.1:${port}`
  }
  await useIt(scope, [await start(startOriginal, 'one'), await start(startOriginal, 'two')])

  const after = [await start(startMoved, 'one'), await start(startMoved, 'two')] as const
  for (const url of after) {
    const isReady = async () => (await fetch(`${url}/health/ready`)).ok
    await eventually(isReady, { what: 'a ready application' })
  }
  await useIt(scope, after)

  // And what it could not do before.
  const auth = { ticket: 'ticket of ben' }
  const [cleo, dan] = await Promise.all(after.map((url) => connectClient(scope, url, { auth })))
  await dan?.ask('room:join', { room: 'den' })
  await cleo?.ask('room:send', { room: 'den', id: '1', body: 'stored' })
  const stored = { body: 'stored', from: { id: 'ben', name: 'Ben' } }
  expect(await dan?.next<RoomMessage>('room:message')).toMatchObject(stored)
})

const quick = { DRAIN_NOTICE: '0ms', DRAIN_PERIOD: '0ms', SHUTDOWN_TIMEOUT: '2s' }

test('D2, D3: beforeSend in the order of sends, again for a repeat; what it throws is told', async () => {
  const scope = testScope()
  const seen: string[] = []
  const gateway = await startInProcess(
    scope,
    {},
    {
      async beforeSend({ id, body, user }) {
        seen.push(`${id} ${user.name}`)
        if (body === 'bug') throw new TypeError('with internals')
        if (body === 'spam') throw new GatewayError('FORBIDDEN', 'body: no advertising')
        // The first takes longest: the others must not overtake it.
        if (body === 0) await new Promise((resolve) => setTimeout(resolve, 50))
        return typeof body === 'number' ? { body: body * 10 } : undefined
      },
    },
  )
  const client = await connectClient(scope, gateway.url, { name: 'Ann' })
  await client.ask('room:join', { room: 'r' })
  const send = (id: string, body: unknown) => client.request('room:send', { room: 'r', id, body })
  const replies = await Promise.all([0, 1, 2, 'as it is'].map((body, n) => send(`m-${n}`, body)))
  expect(replies.map((reply) => reply.ok)).toEqual([true, true, true, true])
  for (let count = 0; count < 4; count++) await client.next('room:message')
  expect(client.messages('r').map(({ body }) => body)).toEqual([0, 10, 20, 'as it is'])
  expect(await send('m-1', 1)).toMatchObject({ ok: true, duplicate: true })
  expect(seen.filter((each) => each === 'm-1 Ann')).toHaveLength(2)
  expect(await send('s', 'spam')).toMatchObject({ error: { code: 'FORBIDDEN', retryable: false } })
  const { error } = (await send('b', 'bug')) as { error: { code: string; message: string } }
  expect(error.code).toBe('INTERNAL')
  expect(error.message).not.toContain('internals')
})

test('what beforeSend made of a body and is no JSON: INTERNAL, logged, nothing stored', async () => {
  const scope = testScope()
  const lines: string[] = []
  const write = (line: string) => void lines.push(line)
  const logger = createLogger({ level: 'error', instance: 'one' }, { write })
  const made: Record<string, unknown> = {
    'no body': { body: undefined },
    'a string': 'body',
    binary: { body: Buffer.from('x') },
    deep: { body: JSON.parse('['.repeat(200) + ']'.repeat(200)) },
    'a function': { body: () => 1 },
    'a number': { body: 10n },
  }
  const gateway = await startInProcess(
    scope,
    {},
    { beforeSend: ({ id }) => made[id] as { body: unknown }, logger },
  )
  const client = await connectClient(scope, gateway.url)
  for (const id of Object.keys(made)) {
    const reply = await client.request('room:send', { room: 'r', id, body: 'fine' })
    expect(reply, id).toMatchObject({ ok: false, error: { code: 'INTERNAL', retryable: false } })
  }
  expect(lines).toHaveLength(Object.keys(made).length)
  expect(lines[0]).toContain('beforeSend must return nothing or { body }: body: is missing')
  expect((await client.ask('room:join', { room: 'r' })).position.offset).toBe(0)
})

test('onConnection and namespaces are told who it is; a token that is missing stays outside', async () => {
  const scope = testScope()
  const issuer = await createIssuer(scope)
  const users: string[] = []
  const gateway = await startInProcess(scope, issuer.env, {
    onConnection: (_socket, { user }) => void users.push(`/ ${user.id}`),
    namespaces: { '/admin': (_socket, { user }) => void users.push(`/admin ${user.id}`) },
  })
  const token = await issuer.token({ sub: 'ada' })
  await connectClient(scope, gateway.url, { token })
  await connectClient(scope, `${gateway.url}/admin`, { token })
  expect(users).toEqual(['/ ada', '/admin ada'])
  const stranger = io(`${gateway.url}/admin`, { transports: ['websocket'], reconnection: false })
  scope.defer(() => stranger.disconnect())
  const refused = await new Promise<Error & { data?: { code: string } }>((resolve) =>
    stranger.on('connect_error', resolve),
  )
  expect(refused.data?.code).toBe('UNAUTHORIZED')
})

describe('identify', () => {
  const tickets: Record<string, unknown> = {
    ann: { id: 'ann', name: 'Ann', claims: { team: 'red' } },
    brief: () => ({ id: 'brief', expiresAt: Date.now() + 1000 }),
    stranger: () => {
      throw new GatewayError('UNAUTHORIZED', 'ticket: is not known')
    },
    bug: () => {
      throw new TypeError('with internals')
    },
    nobody: undefined,
    'a number': { id: 7 },
    'too long': { id: 'x'.repeat(129) },
    'a word as its end': { id: 'ann', expiresAt: 'soon' },
  }
  const identify: Identify = ({ auth }) => {
    const found = tickets[auth['ticket']]
    return typeof found === 'function' ? found() : found
  }

  test('tells members who wrote, policies what it knows, and may be asked anew with a token', async () => {
    const scope = testScope()
    const seen: unknown[] = []
    const { url, control } = await startInProcess(
      scope,
      {},
      {
        async identify(handshake) {
          if (handshake.auth['token'] === 'of another') return { id: 'ben' }
          return identify(handshake)
        },
        authorize(identity, _action, room) {
          seen.push(identity.token?.claims)
          return room === 'red'
        },
      },
    )
    const auth = { ticket: 'ann' }
    const client = await connectClient(scope, url, { auth, session: 's' })
    const hello = await client.ask('gateway:hello', {})
    expect(hello.user).toEqual({ id: 'ann', name: 'Ann' })
    expect(hello).not.toHaveProperty('expiresAt')
    await client.ask('room:join', { room: 'red' })
    expect(await client.request('room:join', { room: 'blue' })).toMatchObject({ ok: false })
    await client.ask('room:send', { room: 'red', id: '1', body: 1 })
    expect(await client.next('room:message')).toMatchObject({ from: { id: 'ann', name: 'Ann' } })
    expect(seen).toContainEqual({ team: 'red' })
    await client.ask('auth:refresh', { token: 'a fresh one' })
    const others = await client.request('auth:refresh', { token: 'of another' })
    expect(others).toMatchObject({ error: { code: 'FORBIDDEN' } })
    // The same user's id with another session is the same sender (D2).
    const second = await connectClient(scope, url, { auth, session: 'another' })
    const again = await second.ask('room:send', { room: 'red', id: '1', body: 1 })
    expect(again.duplicate).toBe(true)
    await control.revoke({ user: 'ann' })
    expect(await client.next('gateway:bye')).toMatchObject({ code: 'TOKEN_REVOKED' })
  })

  test('ends a connection when it says so, and its client comes back', async () => {
    const scope = testScope()
    const { url } = await startInProcess(scope, {}, { identify })
    const client = await connectClient(scope, url, { auth: { ticket: 'brief' } })
    expect(await client.next('gateway:bye')).toMatchObject({ code: 'TOKEN_EXPIRED' })
    await client.next('disconnect')
    await client.next('connect')
  })

  test.each([
    ['stranger', 'UNAUTHORIZED', 'ticket: is not known'],
    ['bug', 'UNAVAILABLE', 'user: it cannot be told now who you are'],
    ['nobody', 'UNAVAILABLE', 'user: it cannot be told now who you are'],
    ['a number', 'UNAVAILABLE', 'user: it cannot be told now who you are'],
    ['too long', 'UNAVAILABLE', 'user: it cannot be told now who you are'],
    ['a word as its end', 'UNAVAILABLE', 'user: it cannot be told now who you are'],
  ])('%s stays outside: %s', async (ticket, code, message) => {
    const scope = testScope()
    const { url } = await startInProcess(scope, {}, { identify })
    const connected = connectClient(scope, url, { auth: { ticket }, reconnection: false })
    await expect(connected).rejects.toMatchObject({ cause: { message, data: { code } } })
  })
})
