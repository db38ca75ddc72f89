import { expect, test } from 'vitest'
import { connectClient } from '../support/client.ts'
import { startInProcess } from '../support/in-process.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

test('what others publish on the channel of a room ends no connection and spoils no join', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const { url } = await startInProcess(scope, { WEBSOCKET_REDIS_URL: redis.url() })
  const member = await connectClient(scope, url)
  const room = 'forged'
  await member.ask('room:join', { room })
  const { position } = await member.ask('room:send', { room, id: '1', body: 1 })
  const next = `m${position.epoch}:2:${Number(position.at) + 1}:${position.at}:`
  for (const content of ['{not json', '', '{}', '[1]', 'null', '{"id":"2"}]{']) {
    await redis.cli('PUBLISH', `roomwire:{${room}}:live`, `${next}${content}`)
  }
  for (const frame of ['', 'm', 'e', `e${position.epoch}`, `m${position.epoch}:2`]) {
    await redis.cli('PUBLISH', `roomwire:{${room}}:live`, frame)
  }
  const late = await connectClient(scope, url)
  expect((await late.ask('room:join', { room })).messages).toHaveLength(1)
  await late.ask('room:send', { room, id: '2', body: 2 })
  await member.next('room:message')
  expect(await member.next('room:message')).toMatchObject({ offset: 2, body: 2 })
  expect(member.received('disconnect')).toEqual([])
  expect(member.received('room:reset')).toEqual([])
})
