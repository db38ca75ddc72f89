import { createRedisCacheStore } from '../../server/broker/redis/cache-store.ts'
import { createCacheProbe } from '../../server/broker/redis/probes.ts'
import { createRedisLink } from '../../server/broker/redis/server-link.ts'
import { type Cache, createCache } from '../../server/cache/cache.ts'
import { createMemoryLevel } from '../../server/cache/memory-level.ts'
import { createCacheEvents } from '../../server/observability/cache-events.ts'
import { createMetrics } from '../../server/observability/metrics.ts'
import type { Scope } from '../../tests/support/scope.ts'

const MEMORY_BYTES = 64 * 1024 * 1024

/** A cache as an instance has it, with a link and metrics of its own, over the Redis at an address. */
export async function openCache(
  scope: Scope,
  { host, port }: { host: string; port: number },
): Promise<Cache> {
  const link = createRedisLink({
    role: 'cache',
    endpoint: () => ({
      ...{ host, port, database: 0 },
      ...{ username: undefined, password: undefined, tls: undefined },
    }),
    probe: createCacheProbe('bench'),
    observer: { failed: () => undefined, changed: () => undefined, probed: () => undefined },
  })
  scope.defer(() => link.close())
  const cache = createCache({
    memory: createMemoryLevel(MEMORY_BYTES),
    store: createRedisCacheStore(link, 'bench'),
    observer: createCacheEvents(createMetrics()),
  })
  await link.ready
  return cache
}
