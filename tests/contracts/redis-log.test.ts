import { randomUUID } from 'node:crypto'
import { beforeAll, expect, onTestFinished } from 'vitest'
import { roomKeys } from '../../server/broker/redis/keys.ts'
import { createRedisLink, type RedisLink } from '../../server/broker/redis/link.ts'
import { createRedisLog } from '../../server/broker/redis/log.ts'
import { createRoomsProbe } from '../../server/broker/redis/probes.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'
import { describeMessageLog } from './message-log.ts'

const scope = testScope()
let redis: RedisServer

beforeAll(async () => {
  redis = await startRedis(scope, { requirepass: 'p@ss/w:rd#%' })
})

function link(prefix: string): RedisLink {
  const made = createRedisLink({
    role: 'rooms',
    endpoint: () => ({
      host: redis.host,
      port: redis.port,
      database: 0,
      username: undefined,
      password: redis.password,
      tls: undefined,
    }),
    probe: createRoomsProbe(prefix),
    observer: {
      failed: (failure) => expect.fail(failure.message),
      changed: () => undefined,
      probed: () => undefined,
    },
  })
  onTestFinished(() => made.close())
  return made
}

describeMessageLog('redis', async ({ dedupWindowMs = 600_000, contentWindowMs = 0 } = {}) => {
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
      await redis.cli('XTRIM', roomKeys(keyPrefix, room).log, 'MINID', `${offset + 1}-0`)
    },
    async forget(room) {
      const keys = roomKeys(keyPrefix, room)
      await redis.cli('DEL', keys.meta, keys.log)
    },
  }
})
