import { expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startInProcess } from '../support/in-process.ts'
import { createIssuer } from '../support/issuer.ts'
import { startRedis } from '../support/redis-server.ts'
import { refusalOf } from '../support/refusal.ts'
import { testScope } from '../support/test-scope.ts'

const MAX = 7
const ATTEMPTS = 200

test('MAX_CONNECTIONS_PER_USER holds over three instances under 200 attempts at once', {
  timeout: 90_000,
}, async () => {
  const scope = testScope()
  const [issuer, redis] = await Promise.all([createIssuer(scope), startRedis(scope)])
  const gateways = await Promise.all(
    [1, 2, 3].map(() =>
      startInProcess(scope, {
        ...issuer.env,
        REDIS_URL: redis.url(),
        MAX_CONNECTIONS_PER_USER: String(MAX),
        LIMIT_USER_CONNECTS: 'off',
      }),
    ),
  )
  const token = await issuer.token()
  const url = (index: number) => gateways[index % 3]?.url ?? ''
  const held: Client[] = []
  const codes = await Promise.all(
    Array.from({ length: ATTEMPTS }, (_, index) =>
      connectClient(scope, url(index), {
        token,
        reconnection: false,
        connectTimeoutMs: 60_000,
      }).then(
        (client) => {
          held.push(client)
          return 'connected'
        },
        (error: Error & { cause?: { data?: { code?: string } } }) =>
          error.cause?.data?.code ?? error.message,
      ),
    ),
  )
  const count = (wanted: string) => codes.filter((code) => code === wanted).length
  expect({ in: count('connected'), out: count('RATE_LIMITED') }).toEqual({
    in: MAX,
    out: ATTEMPTS - MAX,
  })
  expect(held.filter(({ socket }) => socket.connected)).toHaveLength(MAX)
  const connections = gateways.map((gateway) => gateway.health().connections)
  expect(connections.reduce((sum, count) => sum + count, 0)).toBe(MAX)

  // Another user is not concerned; a place that is given up is free at once, on any instance.
  const other = await issuer.token({ sub: 'somebody else' })
  expect(await refusalOf(scope, url(0), { auth: { token: other } })).toBe('connected')
  held[0]?.close()
  await eventually(
    async () => (await refusalOf(scope, url(1), { auth: { token } })) === 'connected',
  )
  expect(await refusalOf(scope, url(2), { auth: { token } })).toBe('RATE_LIMITED')
})
