import { createRedisCacheStore } from './broker/redis/cache-store.ts'
import type { RedisLink } from './broker/redis/link.ts'
import { type Cache, createCache } from './cache/cache.ts'
import { createMemoryLevel } from './cache/memory-level.ts'
import type { Config } from './config.ts'
import { createCacheEvents } from './observability/cache-events.ts'
import type { Metrics } from './observability/metrics.ts'

/** The cache of this instance, and what of it is in memory. */
export interface GatewayCache extends Cache {
  held(): { entries: number; bytes: number }
}

/** Memory, then the Redis of the link where there is one. */
export function createGatewayCache(
  config: Pick<Config, 'cacheMemoryMax' | 'redisKeyPrefix'>,
  link: RedisLink | undefined,
  metrics: Metrics,
): GatewayCache {
  const memory = createMemoryLevel(config.cacheMemoryMax)
  const held = () => ({ entries: memory.entries, bytes: memory.bytes })
  metrics.onScrape(() => {
    metrics.cacheEntries.set(memory.entries)
    metrics.cacheBytes.set(memory.bytes)
  })
  const cache = createCache({
    memory,
    store: link && createRedisCacheStore(link, config.redisKeyPrefix),
    observer: createCacheEvents(metrics),
  })
  return { ...cache, held }
}
