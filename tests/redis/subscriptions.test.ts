import { expect, test } from 'vitest'
import { commandsOf } from '../../bench/redis-commands.ts'
import { type Connection, createConnection } from '../../server/broker/redis/connection.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startInProcess } from '../support/in-process.ts'
import { aclPassword, type RedisServer, startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

interface Credentials {
  username?: string
  password?: string
}

/** A connection that is up. */
async function connect(
  scope: Scope,
  redis: RedisServer,
  { username, password }: Credentials = {},
): Promise<Connection> {
  let up: () => void = () => undefined
  const isUp = new Promise<void>((resolve) => {
    up = resolve
  })
  const { host, port } = redis
  const connection = createConnection(
    () => ({ host, port, database: 0, username, password, tls: undefined }),
    { up, failed: () => undefined },
  )
  scope.defer(() => connection.close())
  await isUp
  return connection
}

async function callsDuring(redis: RedisServer, work: () => Promise<unknown>) {
  await redis.cli('CONFIG', 'RESETSTAT')
  await work()
  return commandsOf(await redis.cli('INFO', 'commandstats'))
}

const names = (prefix: string) => Array.from({ length: 100 }, (_, index) => `${prefix}-${index}`)

test('what one turn subscribes to is one command, and each channel hears its own', async () => {
  const scope = testScope()
  const redis = await startRedis(scope, { rights: 'all' })
  const connection = await connect(scope, redis)
  const heard: string[] = []
  const channels = names('a')
  const listen = (channel: string) =>
    connection.subscribe(channel, (message) => heard.push(`${channel} ${message}`))

  const calls = await callsDuring(redis, () => Promise.all(channels.map(listen)))
  expect(calls['subscribe']).toBe(1)
  for (const channel of channels) expect(await redis.cli('PUBLISH', channel, 'hi')).toBe('1')
  await eventually(() => heard.length === channels.length)
  expect(heard).toEqual(channels.map((channel) => `${channel} hi`))

  const left = await callsDuring(redis, () =>
    Promise.all(channels.map((channel) => connection.unsubscribe(channel))),
  )
  expect(left['unsubscribe']).toBe(1)
  expect(await redis.cli('PUBSUB', 'CHANNELS')).toBe('')
})

test('of several wishes for a channel in one turn the last one counts', async () => {
  const scope = testScope()
  const redis = await startRedis(scope, { rights: 'all' })
  const connection = await connect(scope, redis)
  const listen = () => undefined
  await connection.subscribe('kept', listen)
  await Promise.all([
    connection.unsubscribe('kept'),
    connection.subscribe('left', listen),
    connection.subscribe('kept', listen),
    connection.unsubscribe('left'),
  ])
  expect(await redis.cli('PUBSUB', 'CHANNELS')).toBe('kept')
})

test('a channel that the ACL refuses refuses only itself', async () => {
  const scope = testScope()
  const credentials = { username: 'one', password: 'secret' }
  const redis = await startRedis(scope, {
    requirepass: 'owner',
    users: [`user one on ${aclPassword('secret')} ~* &open* +@all`],
  })
  const connection = await connect(scope, redis, credentials)
  const outcomes = await Promise.allSettled(
    ['open-1', 'closed', 'open-2'].map((channel) => connection.subscribe(channel, () => undefined)),
  )
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect((await redis.cli('PUBSUB', 'CHANNELS')).split('\n').sort()).toEqual(['open-1', 'open-2'])
})

test('rooms that open together cost about one read each', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const gateway = await startInProcess(scope, { WEBSOCKET_REDIS_URL: redis.url() })
  const client = await connectClient(scope, gateway.url)
  const rooms = names('room')
  const calls = await callsDuring(redis, () =>
    Promise.all(rooms.map((room) => client.ask('room:join', { room }))),
  )
  expect(calls['evalsha'] ?? 0).toBeGreaterThanOrEqual(rooms.length)
  // The room's channel and the adapter's.
  expect(calls['subscribe'] ?? 0).toBeLessThan(rooms.length / 5)
  expect((await redis.cli('PUBSUB', 'CHANNELS', '*:io#/#room-*')).split('\n')).toHaveLength(100)
})
