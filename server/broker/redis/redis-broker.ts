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

export interface RedisBrokerOptions extends RedisLogOptions {
  ackReplicas: number
  producers: ProducersOptions
}

export interface RedisBrokerObserver extends ProducersObserver {
  /** Redis turns out to evict keys, by this policy, or does not say: undefined. */
  evicting(policy: string | undefined): void
}

/** Everything shared through the Redis of a link. */
export function createRedisBroker(
  link: RedisLink,
  options: RedisBrokerOptions,
  observer: RedisBrokerObserver,
): Broker {
  let durability: 'durable' | 'best-effort' = 'best-effort'
  let warnedOf: string | undefined

  async function readEviction(): Promise<void> {
    // Managed Redis may refuse INFO; what cannot be verified is not promised (D6).
    const infos = await link.commandEach(['INFO', 'memory']).catch(() => [''])
    const policies = infos.map((info) => /^maxmemory_policy:(\S+)/m.exec(String(info))?.[1])
    const [policy] = policies.filter((each) => each !== 'noeviction')
    const safe = policies.every((each) => each === 'noeviction')
    durability = safe ? 'durable' : 'best-effort'
    const problem = durability === 'durable' ? undefined : (policy ?? 'unknown')
    if (problem !== undefined && problem !== warnedOf) observer.evicting(policy)
    warnedOf = problem
  }

  const replication =
    options.ackReplicas > 0
      ? createReplication(link.dedicated(), {
          replicas: options.ackReplicas,
          key: (tag) => `${options.keyPrefix}:{${tag}}:ack:${options.instance}`,
        })
      : undefined

  // A fail-over or a mended configuration shows after the next interruption at the latest.
  link.onRestored(() => void readEviction())

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
    durability: () => durability,
    trouble: () =>
      link.state.name === 'ok'
        ? undefined
        : link.state.name === 'down'
          ? `redis_${link.state.kind}`
          : 'starting',
    onTrouble: (listener) => link.onChange(listener),
    stop: () => link.close(),
  }
}
