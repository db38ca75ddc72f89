import { randomUUID } from 'node:crypto'
import { beforeAll } from 'vitest'
import { roomKeys } from '../../server/broker/redis/keys.ts'
import type { RedisLink } from '../../server/broker/redis/link.ts'
import { createRedisLog } from '../../server/broker/redis/log.ts'
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { openClusterRoomsLink, openRoomsLink } from '../support/rooms-link.ts'
import { testScope } from '../support/test-scope.ts'
import { describeMessageLog } from './message-log.ts'

const scope = testScope()
const requirepass = 'p@ss/w:rd#%'
let redis: RedisServer
let cluster: RedisCluster

beforeAll(async () => {
  ;[redis, cluster] = await Promise.all([
    startRedis(scope, { requirepass }),
    startRedisCluster(scope, { requirepass }),
  ])
})

interface Store {
  open(prefix: string): Promise<RedisLink>
  /** A command for whoever has the key. */
  cli(key: string, ...args: string[]): Promise<string>
}

function describeRedisLog(name: string, { open, cli }: Store): void {
  describeMessageLog(name, async ({ dedupWindowMs = 600_000, contentWindowMs = 0 } = {}) => {
    const keyPrefix = `roomwire:t-${randomUUID()}`
    const links = await Promise.all([open(keyPrefix), open(keyPrefix)])
    const options = {
      ...{ keyPrefix, logMax: 10_000, logTtlMs: 3_600_000, dedupWindowMs, contentWindowMs },
      labelled: true,
      newEpoch: randomUUID,
    }
    return {
      a: createRedisLog(links[0], { ...options, instance: 'a' }),
      b: createRedisLog(links[1], { ...options, instance: 'b' }),
      async trimTo(room, offset) {
        const { log } = roomKeys(keyPrefix, room)
        await cli(log, 'XTRIM', log, 'MINID', `${offset + 1}-0`)
      },
      async forget(room) {
        const { meta, log } = roomKeys(keyPrefix, room)
        await cli(meta, 'DEL', meta, log)
      },
    }
  })
}

describeRedisLog('redis', {
  open: (prefix) => openRoomsLink(redis, prefix, { password: requirepass }),
  cli: (_, ...args) => redis.cli(...args),
})

describeRedisLog('redis cluster', {
  open: (prefix) => openClusterRoomsLink(cluster, prefix),
  cli: (key, ...args) => cluster.cli(key, ...args),
})
