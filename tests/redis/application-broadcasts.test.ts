import { expect, test } from 'vitest'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startInProcess } from '../support/in-process.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

test('what an application asks of Socket.IO goes over all instances, as docs/MIGRATION.md says', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const start = (instance: string) =>
    startInProcess(scope, { INSTANCE_ID: instance, REDIS_URL: redis.url() })
  const [one, two] = await Promise.all([start('one'), start('two')])
  const seen: unknown[] = []
  one.io.use((socket, next) => {
    seen.push(socket.data.identity.user.name)
    next(socket.handshake.auth['banned'] ? new Error('banned') : undefined)
  })
  one.io.on('connection', (socket) => {
    socket.on('length', (body: string | Buffer, answer: (length: number) => void) =>
      answer(body.length),
    )
  })
  two.io.on('ask', (answer: (word: string) => void) => answer('two heard'))

  const ann = await connectClient(scope, one.url, { name: 'Ann' })
  const ben = await connectClient(scope, two.url, { name: 'Ben' })
  for (const { socket } of [ann, ben]) {
    socket.on('who', (answer: (id: string | undefined) => void) => answer(socket.id))
  }
  const refused = connectClient(scope, one.url, { auth: { banned: true }, reconnection: false })
  await expect(refused).rejects.toMatchObject({ cause: { message: 'banned' } })
  expect(seen).toEqual(['Ann', undefined])

  const ids = [ann.socket.id, ben.socket.id].sort()
  expect((await one.io.timeout(5000).emitWithAck('who')).sort()).toEqual(ids)
  expect((await one.io.fetchSockets()).map(({ id }) => id).sort()).toEqual(ids)
  expect(await one.io.serverSideEmitWithAck('ask')).toEqual(['two heard'])
  one.io.socketsJoin('all')
  await eventually(
    () => {
      two.io.to('all').emit('news', 1)
      return [ann, ben].every((client) => client.received('news').length > 0)
    },
    { what: 'news for everybody in the room' },
  )
  const { socket } = ann
  expect(await socket.timeout(5000).emitWithAck('length', 'x'.repeat(900_000))).toBe(900_000)
  expect(await socket.timeout(5000).emitWithAck('length', Buffer.alloc(100))).toBe(100)
})
