import { io } from 'socket.io-client'
import { expect, test } from 'vitest'
import { startApplication as startMoved } from '../../examples/moved-application/after.ts'
import { startApplication as startOriginal } from '../../examples/moved-application/before.ts'
import { GatewayError } from '../../server/errors.ts'
import { createLogger } from '../../server/observability/logger.ts'
import type { RoomMessage } from '../../server/protocol.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { startInProcess } from '../support/in-process.ts'
import { createIssuer } from '../support/issuer.ts'
import { startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

/** What the application does for two of its people, before and after. */
async function useIt(scope: Scope, urls: readonly [string, string]): Promise<void> {
  const [ann, ben] = await Promise.all(urls.map((url) => connectClient(scope, url)))
  if (ann === undefined || ben === undefined) throw new Error('two clients')
  expect(await ann.socket.timeout(5000).emitWithAck('time')).toBeGreaterThan(1e12)
  for (const { socket } of [ann, ben]) await socket.timeout(5000).emitWithAck('chat:join', 'den')
  await ann.socket.timeout(5000).emitWithAck('chat:say', 'den', ' hello ')
  expect(await ben.next('chat:said')).toEqual({ room: 'den', text: 'hello' })
  expect(await ann.next('chat:said')).toEqual({ room: 'den', text: 'hello' })
  const long = 'x'.repeat(201)
  expect(await ann.socket.timeout(5000).emitWithAck('chat:say', 'den', long)).toBe('too long')
  const admin = await connectClient(scope, `${urls[0]}/admin`)
  expect(await admin.socket.timeout(5000).emitWithAck('count')).toBeGreaterThanOrEqual(2)
}

test('the example: an application as it was, and moved behind two instances', async () => {
  const scope = testScope()
  const port = await freePort()
  const original = await startOriginal(port)
  scope.defer(() => original.stop())
  const before = `http://127.0.0.1:${port}`
  await useIt(scope, [before, before])

  const redis = await startRedis(scope)
  const start = async (instance: string) => {
    const application = await startMoved({
      ...{ HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'silent', ...quick },
      ...{ INSTANCE_ID: instance, REDIS_URL: redis.url() },
    })
    scope.defer(() => application.stop())
    const url = `http://127.0.0.1:${application.port}`
    const isReady = async () => (await fetch(`${url}/health/ready`)).ok
    await eventually(isReady, { what: 'a ready application' })
    return url
  }
  const after = [await start('one'), await start('two')] as const
  await useIt(scope, after)

  // And what it could not do before.
  const [cleo, dan] = await Promise.all(after.map((url) => connectClient(scope, url)))
  await dan?.ask('room:join', { room: 'den' })
  await cleo?.ask('room:send', { room: 'den', id: '1', body: 'stored' })
  expect((await dan?.next<RoomMessage>('room:message'))?.body).toBe('stored')
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
