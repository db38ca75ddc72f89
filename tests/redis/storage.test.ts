import { expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { startGateway } from '../support/gateway-process.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

test('D1: what Redis keeps is said where it is asked, and warned of; a mended setting shows at the next interruption', async () => {
  const scope = testScope()
  const redis = await startRedis(scope, { config: ['maxmemory-policy allkeys-lru'] })
  const gateway = await startGateway(scope, { env: { REDIS_URL: redis.url() } })
  await gateway.ready()
  const health = async (): Promise<{ appendOnly?: boolean }> =>
    (await fetch(`${gateway.url}/health`)).json() as never
  await gateway.waitForLog(({ msg, policy }) => /may evict/.test(msg) && policy === 'allkeys-lru')
  await gateway.waitForLog(({ msg, level }) => /append-only file/.test(msg) && level === 40)
  expect(await health()).toMatchObject({ durability: 'best-effort', appendOnly: false })

  await redis.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction', 'appendonly', 'yes')
  const logged = gateway.logs.length
  await redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await eventually(async () => (await health()).appendOnly === true, { what: 'a new reading' })
  expect(await health()).toMatchObject({ durability: 'durable' })
  const warnings = gateway.logs.slice(logged).filter(({ msg }) => /evict|append-only/.test(msg))
  expect(warnings).toEqual([])
})

test('where Redis says nothing of itself, nothing is claimed', async () => {
  const scope = testScope()
  const redis = await startRedis(scope, {
    users: ['user default on nopass ~* &* +@all -info'],
  })
  const gateway = await startGateway(scope, { env: { REDIS_URL: redis.url() } })
  await gateway.ready()
  await gateway.waitForLog(({ msg }) => /may evict messages, or does not say/.test(msg))
  const health = await (await fetch(`${gateway.url}/health`)).json()
  expect(health).toMatchObject({ durability: 'best-effort' })
  expect(health).not.toHaveProperty('appendOnly')
})
