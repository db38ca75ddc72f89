import { expect, test } from 'vitest'
import type { Report } from '../../server/doctor/check.ts'
import { examine } from '../../server/doctor/doctor.ts'
import { reportText } from '../../server/doctor/report.ts'
import { eventually } from '../support/eventually.ts'
import { troubled } from '../support/fault-tests.ts'
import { startRedisCluster } from '../support/redis-cluster.ts'
import { startRedisSentinel } from '../support/redis-sentinel.ts'
import { environment, PASSWORD, startRooms } from '../support/seeded-fault.ts'
import { testScope } from '../support/test-scope.ts'

const HEALTHY = ['maxmemory 64mb', 'maxmemory-policy noeviction']

function found({ checks }: Report, wanted: string) {
  return checks.filter(({ id }) => id === wanted)
}

test('Sentinels: the primary that they name is examined, and what is wrong with them is named', async () => {
  const scope = testScope()
  const topology = await startRedisSentinel(scope, {
    requirepass: PASSWORD,
    appendonly: 'everysec',
    config: HEALTHY,
    sentinelPassword: 'of the Sentinels',
    replicas: 1,
  })
  const env = await environment(scope, topology.servers[0] ?? { host: '', port: 0 }, {
    WEBSOCKET_REDIS_URL: `redis://${topology.master}`,
    WEBSOCKET_REDIS_SENTINEL_HOSTS: topology.hosts,
    WEBSOCKET_REDIS_SENTINEL_PASSWORD: 'of the Sentinels',
  })

  const healthy = await examine(env)
  expect(troubled(healthy), reportText(healthy)).toEqual([])
  expect(healthy.exitCode).toBe(0)
  expect(found(healthy, 'sentinel')).toMatchObject([{ seen: expect.stringContaining('3 of 3') }])
  expect(found(healthy, 'primary')).toMatchObject([{ status: 'ok' }])

  const unknown = await examine({ ...env, WEBSOCKET_REDIS_URL: 'redis://another' })
  expect(found(unknown, 'sentinel')[0]).toMatchObject({
    status: 'failed',
    remedy: expect.stringContaining('sentinel monitor NAME'),
  })
  expect(found(unknown, 'tcp')).toMatchObject([{ status: 'skipped' }])

  const refused = await examine({ ...env, WEBSOCKET_REDIS_SENTINEL_PASSWORD: 'another' })
  expect(found(refused, 'sentinel')[0]).toMatchObject({
    status: 'failed',
    remedy: expect.stringContaining('WEBSOCKET_REDIS_SENTINEL_PASSWORD_FILE'),
  })

  await topology.sentinels[0]?.kill()
  const fewer = await examine(env)
  expect(fewer.exitCode).toBe(1)
  expect(troubled(fewer), reportText(fewer)).toEqual(['sentinel'])
  expect(found(fewer, 'sentinel')[0]?.remedy).toContain('WEBSOCKET_REDIS_SENTINEL_HOSTS')
})

test('a cluster: every primary is visited, and what keeps us from one is named', async () => {
  const scope = testScope()
  const cluster = await startRedisCluster(scope, {
    requirepass: PASSWORD,
    appendonly: 'everysec',
    config: HEALTHY,
  })
  await cluster.whole()
  const [owner] = await cluster.primaries()
  if (owner === undefined) throw new Error('no primary')
  const replica = await cluster.replicaOf(owner)
  const settings = { WEBSOCKET_REDIS_CLUSTER: 'true' }
  // A replica knows the way as well as anybody.
  const env = await environment(scope, replica, settings)

  const healthy = await examine(env)
  expect(troubled(healthy), reportText(healthy)).toEqual([])
  expect(healthy.exitCode).toBe(0)
  expect(found(healthy, 'cluster')).toMatchObject([
    { seen: expect.stringContaining('3 primaries') },
  ])
  for (const id of ['primary', 'rights', 'write', 'round-trip']) {
    expect(found(healthy, id)).toMatchObject([{ status: 'ok' }])
  }

  const alone = await startRooms(scope)
  const mistaken = await examine(await environment(scope, alone, settings))
  expect(troubled(mistaken)).toEqual(['topology'])
  expect(found(mistaken, 'topology')[0]?.remedy).toContain('unset WEBSOCKET_REDIS_CLUSTER')

  await owner.cli('CONFIG', 'SET', 'cluster-announce-hostname', 'redis.roomwire.invalid')
  await replica.cli('CONFIG', 'SET', 'cluster-preferred-endpoint-type', 'hostname')
  await eventually(async () => (await replica.cli('CLUSTER', 'SLOTS')).includes('.invalid'))
  const unreachable = await examine(env)
  expect(troubled(unreachable)).toContain('cluster')
  expect(found(unreachable, 'cluster')[0]).toMatchObject({
    status: 'failed',
    remedy: expect.stringContaining('cluster-announce-hostname'),
  })
  await replica.cli('CONFIG', 'SET', 'cluster-preferred-endpoint-type', 'ip')

  const [, other] = await cluster.primaries()
  if (other === undefined) throw new Error('no second primary')
  const heir = await cluster.replicaOf(other)
  for (const node of cluster.nodes) {
    await node.cli('CONFIG', 'SET', 'cluster-node-timeout', '2000') // who is silent has failed
  }
  await Promise.all([other.kill(), heir.kill()])
  await eventually(
    async () => (await replica.cli('CLUSTER', 'INFO')).includes('cluster_state:fail'),
    { timeoutMs: 20_000 },
  )
  const torn = await examine(env)
  expect(found(torn, 'cluster')[0]).toMatchObject({
    status: 'failed',
    remedy: expect.stringContaining('redis-cli --cluster check'),
  })
})
