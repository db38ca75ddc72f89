import type { Broker } from './broker/broker.ts'
import { createEpochs } from './broker/epochs.ts'
import { createMemoryBroker } from './broker/memory-broker.ts'
import type { MemoryStore } from './broker/memory-store.ts'
import { watchCertificate } from './broker/redis/certificate.ts'
import type { Endpoint } from './broker/redis/client.ts'
import { createClusterLink } from './broker/redis/cluster-link.ts'
import { passwordFromFile, refusedPasswordHint } from './broker/redis/credentials.ts'
import type { LinkObserver, RedisLink, RedisRole } from './broker/redis/link.ts'
import { createCacheProbe, createRoomsProbe, type Probe } from './broker/redis/probes.ts'
import { createRedisBroker } from './broker/redis/redis-broker.ts'
import { rightsFor } from './broker/redis/rights.ts'
import { createRotation, type Rotation } from './broker/redis/rotation.ts'
import { createSentinels } from './broker/redis/sentinels.ts'
import { createRedisLink } from './broker/redis/server-link.ts'
import { nameOf } from './broker/redis/slots.ts'
import type { Config, RedisTarget } from './config.ts'
import type { Logger } from './observability/logger.ts'
import type { Metrics } from './observability/metrics.ts'
import type { OperatorNotes } from './observability/operator-notes.ts'
import type { ProducerEvents } from './observability/producer-events.ts'
import { rarely } from './observability/rarely.ts'
import {
  createRedisEvents,
  type RedisEvents,
  type RedisHealth,
} from './observability/redis-events.ts'
import { createRotationEvents } from './observability/rotation-events.ts'
import { type SecretFile, watchSecretFile } from './secret-file.ts'

/** What this instance has to Redis, for each role that has one. */
export interface Links {
  /** Undefined: rooms live in memory. */
  readonly rooms: RedisLink | undefined
  /** Undefined: the cache is in memory alone. */
  readonly cache: RedisLink | undefined
  /** Resolves when every role has worked once. */
  readonly ready: Promise<void>
  health(): Record<RedisRole, RedisHealth>
  /** Reads the password files again, now. */
  rereadPasswords(): Promise<void>
  close(): void
}

/** A password that may change, for every role that uses it. */
interface WatchedPassword {
  rotation: Rotation
  file: SecretFile
  roles: RedisRole[]
}

/** Connects each configured role, and reports how it fares. */
export function createLinks(
  config: Config,
  deps: { logger: Logger; metrics: Metrics; notes: OperatorNotes },
): Links {
  const roles: Partial<
    Record<RedisRole, { link: RedisLink; observer: RedisEvents; unwatch: () => void }>
  > = {}

  const passwords = new Map<RedisTarget, WatchedPassword>()

  function connect(role: RedisRole, target: RedisTarget): void {
    const observer = createRedisEvents(role, {
      ...deps,
      address: shownAddress(target),
      hint: refusedPasswordHint(target.source),
      passwordFrom: target.source.password,
    })
    const { redisKeyPrefix, roomAckReplicas } = config
    const rights = rightsFor({ roles: [role], cluster: target.cluster !== undefined }).filter(
      ({ setting }) => setting !== 'ROOM_ACK_REPLICAS' || roomAckReplicas > 0,
    )
    const trials = { rights, limited: observer.limited }
    const probe = (tag?: string) =>
      role === 'rooms'
        ? createRoomsProbe(redisKeyPrefix, tag, trials)
        : createCacheProbe(redisKeyPrefix, tag, trials)
    // Roles that share a target share its password, and one look at its file.
    const password = passwords.get(target) ?? watchPassword(target, deps)
    if (password !== undefined) passwords.set(target, password)
    const endpoint = password?.rotation.endpoint ?? (() => target)
    const link = createLink(role, target, endpoint, probe, observer)
    password?.roles.push(role)
    password?.rotation.add(link)
    roles[role] = {
      link,
      observer,
      unwatch: watchCertificate(() => certified(target), observer.certified),
    }
  }

  if (config.rooms) connect('rooms', config.rooms)
  if (config.cache) connect('cache', config.cache)
  const all = Object.values(roles)
  const health = (role: RedisRole) => roles[role]?.observer.health() ?? { state: 'memory' as const }
  return {
    rooms: roles.rooms?.link,
    cache: roles.cache?.link,
    ready: Promise.all(all.map(({ link }) => link.ready)).then(() => undefined),
    health: () => ({ rooms: health('rooms'), cache: health('cache') }),
    async rereadPasswords() {
      await Promise.all(
        [...passwords.values()].map(async ({ file, rotation }) => {
          await file.reread()
          rotation.hurry()
        }),
      )
    },
    close() {
      for (const { file, rotation } of passwords.values()) {
        file.close()
        rotation.stop()
      }
      for (const { link, observer, unwatch } of all) {
        link.close()
        unwatch()
        observer.stop()
      }
    },
  }
}

/** To what a target is: one server, the one that Sentinels name, or a cluster. */
function createLink(
  role: RedisRole,
  target: RedisTarget,
  endpoint: () => Endpoint,
  probe: (tag?: string) => Probe,
  observer: LinkObserver,
): RedisLink {
  const { cluster, sentinel } = target
  if (cluster) return createClusterLink({ role, endpoint, seeds: cluster.seeds, probe, observer })
  if (!sentinel) return createRedisLink({ role, endpoint, probe: probe(), observer })
  const sentinels = createSentinels({
    master: target.host,
    endpoints() {
      const { username, password } = sentinel
      const common = { database: 0, username, password, tls: target.tls }
      return sentinel.hosts.map((host) => ({ ...common, ...host }))
    },
  })
  return createRedisLink({ role, endpoint, probe: probe(), observer, sentinels })
}

/** Whose certificate is watched: one of several has to do. */
function certified(target: RedisTarget): RedisTarget {
  const [sentinel] = target.sentinel?.hosts ?? []
  return { ...target, ...sentinel }
}

/** For log lines. */
function shownAddress(target: RedisTarget): string {
  const { cluster, sentinel, host, database } = target
  if (cluster) return `cluster of ${cluster.seeds.map(nameOf).join(',')}`
  if (sentinel) return `${host}/${database} of ${sentinel.hosts.map(nameOf).join(',')}`
  return `${nameOf(target)}/${database}`
}

/** Undefined where the password came from no file: nothing can change it. */
function watchPassword(
  target: RedisTarget,
  deps: { logger: Logger; metrics: Metrics },
): WatchedPassword | undefined {
  const { passwordFile: path, password: variable } = target.source
  const initial = target.password
  if (path === undefined || variable === undefined || initial === undefined) return undefined
  const roles: RedisRole[] = []
  const events = createRotationEvents({
    ...deps,
    variable,
    address: shownAddress(target),
    roles: () => roles,
  })
  const rotation = createRotation(target, events)
  const file = watchSecretFile({
    ...{ path, initial, parse: passwordFromFile },
    changed: rotation.change,
    unusable: events.unusable,
    usable: events.usable,
  })
  return { rotation, file, roles }
}

const MEMORY_FULL =
  'the memory for rooms is full, and messages are refused: use a Redis, keep less (ROOM_LOG_MAX, ROOM_LOG_TTL, DEDUP_WINDOW), or give the process more (NODE_OPTIONS=--max-old-space-size=…)'
const MAY_EVICT =
  'the Redis that holds rooms may evict messages, or does not say: durability is best-effort; set maxmemory-policy noeviction'
const NO_APPEND_ONLY_FILE =
  'the Redis that holds rooms has no append-only file: a restart of it loses acknowledged messages, and their rooms begin anew; set appendonly yes'

/** Where rooms live: in the Redis of that link, else in memory. */
export function createBroker(
  config: Config,
  link: RedisLink | undefined,
  {
    logger,
    store,
    producerEvents,
  }: { logger: Logger; store: MemoryStore | undefined; producerEvents: ProducerEvents },
): Broker {
  const newEpoch = createEpochs()
  const limits = {
    logMax: config.roomLogMax,
    logTtlMs: config.roomLogTtlMs,
    dedupWindowMs: config.dedupWindowMs,
    contentWindowMs: config.contentDedupWindowMs,
  }
  if (link === undefined) {
    const full = rarely((unsaid) => logger.error({ unsaid }, MEMORY_FULL))
    return createMemoryBroker(limits, newEpoch, config.instanceId, store, full)
  }
  return createRedisBroker(
    link,
    {
      ...limits,
      newEpoch,
      keyPrefix: config.redisKeyPrefix,
      instance: config.instanceId,
      labelled: config.classifier.kind !== 'off',
      ackReplicas: config.roomAckReplicas,
      producers: config.producers,
      damaged: (room, offset) =>
        logger.warn(
          { room, offset },
          'an entry of a room’s log is no message: it counts as trimmed, with everything before it',
        ),
    },
    {
      storage({ policy, appendOnly }) {
        if (policy !== 'noeviction') logger.warn({ policy }, MAY_EVICT)
        if (appendOnly === false) logger.warn(NO_APPEND_ONLY_FILE)
      },
      ...producerEvents,
    },
  )
}
