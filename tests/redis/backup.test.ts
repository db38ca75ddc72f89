import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { connectClient } from '../support/client.ts'
import { startGateway } from '../support/gateway-process.ts'
import { startShippedRedis } from '../support/shipped-redis.ts'
import { testScope } from '../support/test-scope.ts'

const PASSWORD = 'of the rooms'

test('D6 a backup taken and restored as docs/OPERATIONS.md says: who lost something is told, nobody else', async () => {
  const scope = testScope()
  const redis = await startShippedRedis(scope, 'redis-rooms.conf', PASSWORD)
  const rooms = (...args: string[]) => redis.cli({ REDISCLI_AUTH: PASSWORD }, ...args)
  const gateway = await startGateway(scope, {
    env: {
      WEBSOCKET_REDIS_URL: `redis://127.0.0.1:${redis.port}`,
      WEBSOCKET_REDIS_PASSWORD_FILE: redis.passwordFile,
    },
  })
  await gateway.ready()
  const client = await connectClient(scope, gateway.url, { session: 'one', name: 'Somebody' })
  const send = (room: string, id: string) => client.ask('room:send', { room, id, body: id })
  for (const room of ['kept', 'changed']) {
    await client.ask('room:join', { room })
    for (const id of ['1', '2', '3']) await send(room, id)
  }

  await rooms('CONFIG', 'SET', 'auto-aof-rewrite-percentage', '0')
  expect(await rooms('INFO', 'persistence')).toContain('aof_rewrite_in_progress:0')
  await cp(join(redis.dir, 'appendonlydir'), join(redis.dir, 'backup'), { recursive: true })
  await rooms('CONFIG', 'SET', 'auto-aof-rewrite-percentage', '100')

  await send('changed', '4')
  const { position: lost } = await send('changed', '5')
  await redis.kill()
  await rm(join(redis.dir, 'appendonlydir'), { recursive: true })
  await cp(join(redis.dir, 'backup'), join(redis.dir, 'appendonlydir'), { recursive: true })
  await redis.start()

  const reset = await client.next<{ room: string; position: { epoch: string; offset: number } }>(
    'room:reset',
    20_000,
  )
  expect(reset).toMatchObject({ room: 'changed', position: { offset: 3 } })
  expect(reset.position.epoch).not.toBe(lost.epoch)
  const back = await client.ask('room:join', { room: 'changed', since: lost })
  expect(back.recovered).toBe(false)
  expect(back.messages.map(({ id }) => id)).toEqual(['1', '2', '3'])
  expect(await send('changed', '5')).toMatchObject({ duplicate: false, position: { offset: 4 } })
  expect(await send('kept', '3')).toMatchObject({ duplicate: true, position: { offset: 3 } })
  expect(client.socket.connected).toBe(true)
  expect(client.received('room:reset')).toHaveLength(1)
})
