import { expect, it } from 'vitest'
import { connectClient } from '../support/client.ts'
import { startGateway } from '../support/gateway-process.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

it('D6 members of a quiet room hear of a FLUSHALL although no connection ended', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const gateway = await startGateway(scope, { env: { REDIS_URL: redis.url() } })
  await gateway.ready()
  const client = await connectClient(scope, gateway.url)
  const { position } = await client.ask('room:send', { room: 'quiet', id: '1', body: 1 })
  await client.ask('room:join', { room: 'quiet' })
  await redis.cli('FLUSHALL')
  // Long before its turn among the idle rooms would come, a minute later.
  const reset = await client.next<{ position: { epoch: string } }>('room:reset', 20_000)
  expect(reset).toMatchObject({ room: 'quiet', position: { offset: 0 } })
  expect(reset.position.epoch).not.toBe(position.epoch)
})
