import { randomUUID } from 'node:crypto'
import { beforeAll, expect, onTestFinished } from 'vitest'
import { createMemoryStore } from '../../server/broker/memory.ts'
import { createMemoryControl } from '../../server/broker/memory-control.ts'
import { createMemoryLedger } from '../../server/broker/memory-ledger.ts'
import { createClusterLink } from '../../server/broker/redis/cluster-link.ts'
import { createRedisControl } from '../../server/broker/redis/control.ts'
import { createRedisLedger } from '../../server/broker/redis/ledger.ts'
import { createRedisLink, type RedisLink } from '../../server/broker/redis/link.ts'
import { createRoomsProbe } from '../../server/broker/redis/probes.ts'
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'
import { describeAccessStores } from './access-stores.ts'

const scope = testScope()
let redis: RedisServer
let cluster: RedisCluster

beforeAll(async () => {
  ;[redis, cluster] = await Promise.all([startRedis(scope), startRedisCluster(scope)])
})

const observer = {
  failed: (failure: Error) => expect.fail(failure.message),
  changed: () => undefined,
  probed: () => undefined,
}
const anyone = { username: undefined, password: undefined, tls: undefined, database: 0 }

async function overLinks(prefix: string, links: readonly [RedisLink, RedisLink]) {
  for (const link of links) onTestFinished(() => link.close())
  await Promise.all(links.map(({ ready }) => ready))
  const of = (link: RedisLink) => ({
    control: createRedisControl(link, prefix),
    ledger: createRedisLedger(link, prefix),
  })
  return [of(links[0]), of(links[1])] as [ReturnType<typeof of>, ReturnType<typeof of>]
}

describeAccessStores('memory', async () => {
  const store = createMemoryStore()
  const one = () => ({ control: createMemoryControl(store), ledger: createMemoryLedger(store) })
  return [one(), one()]
})

describeAccessStores('redis', () => {
  const prefix = `roomwire:t-${randomUUID()}`
  const link = () =>
    createRedisLink({
      role: 'rooms',
      endpoint: () => ({ ...anyone, host: redis.host, port: redis.port }),
      probe: createRoomsProbe(prefix),
      observer,
    })
  return overLinks(prefix, [link(), link()])
})

describeAccessStores('redis cluster', () => {
  const prefix = `roomwire:t-${randomUUID()}`
  const link = () =>
    createClusterLink({
      role: 'rooms',
      endpoint: () => ({ ...anyone, host: '', port: 0 }),
      seeds: cluster.nodes.map(({ host, port }) => ({ host, port })),
      probe: (tag) => createRoomsProbe(prefix, tag),
      observer,
    })
  return overLinks(prefix, [link(), link()])
})
