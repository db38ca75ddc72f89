import { expect, test } from 'vitest'
import { connectClient } from '../support/client.ts'
import { startInProcess } from '../support/in-process.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

test('who leaves a room and joins it again at once still hears what comes through the adapter', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const env = { WEBSOCKET_REDIS_URL: redis.url() }
  const [here, there] = [await startInProcess(scope, env), await startInProcess(scope, env)]
  const listener = await connectClient(scope, here.url)
  const typist = await connectClient(scope, there.url)
  const room = 'revolving'
  await typist.ask('room:join', { room })
  await listener.ask('room:join', { room })
  const heard = async () => {
    const typing = setInterval(() => typist.socket.emit('room:typing', { room, typing: true }), 50)
    scope.defer(() => clearInterval(typing))
    const event = await listener.next('room:typing', 5000)
    clearInterval(typing)
    return event
  }
  expect(await heard()).toMatchObject({ room, typing: true })
  await Promise.all([
    listener.ask('room:leave', { room }),
    listener.ask('room:join', { room, limit: 0 }),
  ])
  const before = listener.received('room:typing').length
  while (listener.received('room:typing').length <= before) await heard()
})
