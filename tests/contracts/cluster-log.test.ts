import { randomUUID } from 'node:crypto'
import { beforeAll, expect, onTestFinished } from 'vitest'
import { createClusterLink } from '../../server/broker/redis/cluster-link.ts'
import { roomKeys } from '../../server/broker/redis/keys.ts'
import type { RedisLink } from '../../server/broker/redis/link.ts'
import { createRedisLog } from '../../server/broker/redis/log.ts'
import { createRoomsProbe } from '../../server/broker/redis/probes.ts'
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts'
import { testScope } from '../support/test-scope.ts'
import { describeMessageLog } from './message-log.ts'

const scope = testScope()
let cluster: RedisCluster

beforeAll(async () => {
  cluster = await startRedisCluster(scope, { requirepass: 'p@ss/w:rd#%' })
})

function link(prefix: string): RedisLink {
  const seeds = cluster.nodes.map(({ host, port }) => ({ host, port }))
  const made = createClusterLink({
    role: 'rooms',
    endpoint: () => ({
      ...{ host: '', port: 0, database: 0, username: undefined, tls: undefined },
      password: cluster.password,
    }),
    seeds: seeds.slice(0, 1),
    probe: (tag) => createRoomsProbe(prefix, tag),
    observer: {
      failed: (failure) => expect.fail(failure.message),
      changed: () => undefined,
      probed: () => undefined,
    },
  })
  onTestFinished(() => made.close())
  return made
}

describeMessageLog(
  'redis cluster',
  async ({ dedupWindowMs = 600_000, contentWindowMs = 0 } = {}) => {
    const keyPrefix = `roomwire:t-${randomUUID()}`
    const links = [link(keyPrefix), link(keyPrefix)] as const
    await Promise.all(links.map((each) => each.ready))
    const options = {
      ...{ keyPrefix, logMax: 10_000, logTtlMs: 3_600_000, dedupWindowMs, contentWindowMs },
      labelled: true,
      newEpoch: randomUUID,
    }
    const [a, b] = [
      createRedisLog(links[0], { ...options, instance: 'a' }),
      createRedisLog(links[1], { ...options, instance: 'b' }),
    ]
    return {
      a,
      b,
      async trimTo(room, offset) {
        const { log } = roomKeys(keyPrefix, room)
        await cluster.cli(log, 'XTRIM', log, 'MINID', `${offset + 1}-0`)
      },
      async forget(room) {
        const keys = roomKeys(keyPrefix, room)
        await cluster.cli(keys.meta, 'DEL', keys.meta, keys.log)
      },
    }
  },
)
