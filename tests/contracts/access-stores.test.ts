import { randomUUID } from 'node:crypto'
import { beforeAll } from 'vitest'
import { createMemoryControl } from '../../server/broker/memory-control.ts'
import { createMemoryLedger } from '../../server/broker/memory-ledger.ts'
import { createMemoryStore } from '../../server/broker/memory-store.ts'
import { createRedisControl } from '../../server/broker/redis/control.ts'
import { createRedisLedger } from '../../server/broker/redis/ledger.ts'
import type { RedisLink } from '../../server/broker/redis/link.ts'
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { openClusterRoomsLink, openRoomsLink } from '../support/rooms-link.ts'
import { testScope } from '../support/test-scope.ts'
import { describeAccessStores } from './access-stores.ts'

const scope = testScope()
let redis: RedisServer
let cluster: RedisCluster

beforeAll(async () => {
  ;[redis, cluster] = await Promise.all([startRedis(scope), startRedisCluster(scope)])
})

type Links = readonly [RedisLink, RedisLink]

function overLinks(prefix: string, links: Links) {
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

describeAccessStores('redis', async () => {
  const prefix = `roomwire:t-${randomUUID()}`
  const link = () => openRoomsLink(redis, prefix)
  return overLinks(prefix, await Promise.all([link(), link()]))
})

describeAccessStores('redis cluster', async () => {
  const prefix = `roomwire:t-${randomUUID()}`
  const link = () => openClusterRoomsLink(cluster, prefix)
  return overLinks(prefix, await Promise.all([link(), link()]))
})
