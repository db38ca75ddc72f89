import type { Broker } from '../broker.ts'
import { createAdapter } from './adapter.ts'
import { createRedisClaims } from './claims.ts'
import { createRedisControl } from './control.ts'
import { createRedisDirectory } from './directory.ts'
import { createRedisDuplicates } from './duplicates.ts'
import { createRedisLedger } from './ledger.ts'
import type { RedisLink } from './link.ts'
import { createRedisLog, type RedisLogOptions } from './log.ts'
import { createRedisOccupancy } from './occupancy.ts'
import { createRedisPresence } from './presence.ts'
import { createProducers, type ProducersObserver, type ProducersOptions } from './producers.ts'
import { createReplication } from './replication.ts'
import { createRedisSessions } from './sessions.ts'
import { type Storage, watchStorage } from './storage.ts'

export interface RedisBrokerOptions extends RedisLogOptions {
  ackReplicas: number
  producers: ProducersOptions
}

export interface RedisBrokerObserver extends ProducersObserver {
  /** How Redis turns out to keep what it has, at first and when that changes. */
  storage(storage: Storage): void
}

/** Everything shared through the Redis of a link. */
export function createRedisBroker(
  link: RedisLink,
  options: RedisBrokerOptions,
  observer: RedisBrokerObserver,
): Broker {
  const storage = watchStorage(link, observer.storage)
  const replication =
    options.ackReplicas > 0
      ? createReplication(link.dedicated(), {
          replicas: options.ackReplicas,
          key: (tag) => `${options.keyPrefix}:{${tag}}:ack:${options.instance}`,
        })
      : undefined

  const log = createRedisLog(link, options, replication)
  const { adapter, follow, unfollow } = createAdapter(link, options.keyPrefix)

  const presence = createRedisPresence(link, options)
  return {
    log: {
      ...log,
      subscribe(room) {
        follow(room) // in the same turn, so in the same command
        return log.subscribe(room)
      },
      unsubscribe(room) {
        unfollow(room)
        return log.unsubscribe(room)
      },
    },
    presence,
    occupancy: createRedisOccupancy(link, options.keyPrefix, presence.boot),
    claims: createRedisClaims(link, options.keyPrefix),
    sessions: createRedisSessions(link, options.keyPrefix),
    control: createRedisControl(link, options.keyPrefix),
    ledger: createRedisLedger(link, options.keyPrefix),
    directory: createRedisDirectory(link, options.keyPrefix),
    duplicates: createRedisDuplicates(link, options.keyPrefix),
    adapter,
    producers: createProducers(link, options.producers, observer),
    durability: () => (storage.current().policy === 'noeviction' ? 'durable' : 'best-effort'),
    appendOnly: () => storage.current().appendOnly,
    trouble: () =>
      link.state.name === 'ok'
        ? undefined
        : link.state.name === 'down'
          ? `redis_${link.state.kind}`
          : 'starting',
    onTrouble: (listener) => link.onChange(listener),
    stop() {
      storage.stop()
      link.close()
    },
  }
}
