import { once } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Express } from 'express'
import type { Server } from 'socket.io'
import type { MemoryStore } from './broker/memory-store.ts'
import type { Cache } from './cache/cache.ts'
import type { Config } from './config.ts'
import { handOver, within } from './edge/drain.ts'
import type { Embedding } from './edge/embedding.ts'
import { createGathering } from './edge/gathering.ts'
import type { Identify } from './edge/identifying.ts'
import { createOverload } from './edge/overload.ts'
import { createAccess } from './gateway-access.ts'
import { createGatewayCache } from './gateway-cache.ts'
import { createGatewayHttp, version } from './gateway-http.ts'
import type { AfterStore } from './gateway-labels.ts'
import { createObservability } from './gateway-observability.ts'
import { createBroker, createLinks } from './gateway-redis.ts'
import { createGatewayRooms } from './gateway-rooms.ts'
import { createGatewaySockets } from './gateway-sockets.ts'
import { type Health, readHealth, recordHealth } from './observability/health.ts'
import type { Logger } from './observability/logger.ts'
import type { Metrics } from './observability/metrics.ts'
import { createOperations } from './observability/operations.ts'
import type { Authorize } from './session/hook-policy.ts'
import type { Control } from './session/revocations.ts'

export { type Config, ConfigError, readConfig } from './config.ts'
export type { BeforeSend, Embedding, OnConnection, Outgoing } from './edge/embedding.ts'
export type { Identified, Identify } from './edge/identifying.ts'
export { GatewayError } from './errors.ts'

/** Replaces a part of the gateway, for embedding and for tests. */
export interface Overrides extends Embedding {
  logger?: Logger
  /** Rooms of a memory gateway; gateways that share one behave like instances that share a Redis. */
  store?: MemoryStore
  /** Called with each message that this instance stored, at most once, after its delivery began. */
  afterStore?: AfterStore
  /** Says who connects, in place of `AUTH_MODE`. */
  identify?: Identify
  /** Decides who may do what in which room, in place of the configured policy. */
  authorize?: Authorize
  /**
   * What the gateway answers on, such as an `https.Server`; `start` lets it listen unless it does, `stop`
   * closes it. It must not have a listener for requests: give that to `app.use`.
   */
  server?: HttpServer
}

/** One instance. */
export interface Gateway {
  /** The Socket.IO server: add handlers, namespaces and middleware of your own. */
  readonly io: Server
  /** An Express application for routes of your own, which are asked after ours and before the chat page. */
  readonly app: Express
  readonly http: HttpServer
  readonly logger: Logger
  readonly metrics: Metrics
  /** What instances share for a while, so that it is computed once (docs/CACHE.md). */
  readonly cache: Cache
  readonly health: () => Health
  /** Ends people's right to be here, or just their connections, on all instances. */
  readonly control: Control
  /**
   * Listens; resolves with the address as soon as connections are accepted, whatever Redis does.
   * Rejects where the address is taken, and after `stop`.
   */
  start(): Promise<{ host: string; port: number }>
  /** Reads the password files again, now; they are read about once a second anyway. */
  reload(): Promise<void>
  /**
   * Stops for good (D10): not ready, no new connections, hands its clients over to other instances,
   * finishes what it accepted, closes. Takes `SHUTDOWN_TIMEOUT` at most. Further calls wait for the
   * first.
   */
  stop(): Promise<void>
  /** Resolves when it has stopped, whoever asked for it. */
  readonly stopped: Promise<void>
}

/**
 * Connections that may wait for the process to accept them: beyond it the system drops attempts, which
 * come again after a second, probes as well. The system's own limit (somaxconn) applies too.
 */
const ACCEPT_BACKLOG = 4096

/** Peers have so long to take what is sent last; half of `SHUTDOWN_TIMEOUT` where that is less. */
const CLOSING_MS = 1000

/** To open in a browser on this machine. */
function shownUrl(host: string, port: number): string {
  const isAny = host === '0.0.0.0' || host === '::'
  return `http://${isAny ? 'localhost' : host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Assembles an instance in the order data flows: Redis, rooms, connections, HTTP. */
export function createGateway(config: Config, overrides: Overrides = {}): Gateway {
  const observability = createObservability(config, overrides.logger)
  const { logger, metrics, notes, feed } = observability
  const overload = createOverload(observability.overloadEvents)

  // Where messages live, and what is computed once for all instances.
  const links = createLinks(config, observability)
  const broker = createBroker(config, links.rooms, { ...observability, store: overrides.store })
  const cache = createGatewayCache(config, links.cache, metrics)

  // What a room is.
  const gathering = createGathering()
  const { rooms, roster } = createGatewayRooms(config, {
    ...{ broker, cache, observability, overload, gathering },
    afterStore: overrides.afterStore,
    tooSlow: (member) => sockets.cutOff(member),
  })

  // Who may do what.
  const access = createAccess(config, {
    broker,
    events: observability.accessEvents,
    gathering,
    refusedEarly: observability.events.refusedEarly,
    authorize: overrides.authorize,
    identify: overrides.identify,
    sockets: () => sockets,
  })

  // What operators see.
  let started = false
  let draining = false
  const health = () =>
    readHealth({
      instance: config.instanceId,
      version,
      durability: broker.durability,
      appendOnly: broker.appendOnly,
      redis: links.health,
      connections: () => sockets.count,
      rooms: () => {
        const { rooms: local, members, behind } = rooms.counts()
        return { local, members, behind }
      },
      started: () => started,
      draining: () => draining,
      readyFollowsRedis: config.readyFollowsRedis,
    })
  const operations = createOperations({
    ...{ feed, notes, metrics, health, logger },
    cacheHeld: cache.held,
    directory: broker.directory,
    duplicates: broker.duplicates,
  })
  metrics.onScrape(() => {
    const { rooms: local, members, behind } = rooms.counts()
    metrics.localRooms.set(local)
    metrics.roomMembers.set(members)
    metrics.roomsBehind.set(behind)
    metrics.connectsWaiting.set(admission.waiting)
    recordHealth(metrics, health())
  })

  // Where backends and clients arrive.
  const http = createGatewayHttp(config, {
    ...{ broker, rooms, roster, observability, operations, health },
    control: access.control,
    drain: () => void stop(),
    server: overrides.server,
  })
  const { io, admission, sockets, status } = createGatewaySockets(config, {
    ...{ broker, rooms, roster, access, observability, operations, overload, gathering },
    server: http.server,
    embedding: overrides,
    draining: () => draining,
  })

  async function shutDown(): Promise<void> {
    draining = true
    notes.draining(sockets.count)
    const { drainNoticeMs: noticeMs, drainPeriodMs: periodMs, shutdownTimeoutMs } = config
    const end = AbortSignal.timeout(shutdownTimeoutMs)
    // What is sent last needs some of the time to arrive.
    const closingMs = Math.min(CLOSING_MS, shutdownTimeoutMs / 2)
    const handedOver = AbortSignal.timeout(shutdownTimeoutMs - closingMs)
    await handOver(sockets, { noticeMs, periodMs }, handedOver)
    rooms.stop()
    status.stop()
    sockets.stop()
    access.stop()
    overload.stop()
    // Whoever was admitted meanwhile; a server disconnect would keep plain clients away for good.
    for (const connection of sockets.all()) {
      sockets.sendAway(connection, { code: 'DRAIN', reconnect: true })
    }
    // Those two tell other instances, which learn it all the same where Redis does not answer.
    await within(end, Promise.all([http.close(closingMs), operations.stop(), roster.stop()]))
    broker.stop()
    links.close()
    logger.info('stopped')
  }

  let stopping: Promise<void> | undefined
  let announceStopped: (ending: Promise<void>) => void = () => undefined
  const stopped = new Promise<void>((resolve) => {
    announceStopped = resolve
  })
  function stop(): Promise<void> {
    if (stopping === undefined) {
      stopping = shutDown()
      announceStopped(stopping)
    }
    return stopping
  }

  return {
    io,
    app: http.app,
    http: http.server,
    logger,
    metrics,
    cache,
    health,
    control: access.control,
    async start() {
      if (stopping !== undefined) {
        throw new Error('this gateway was stopped, which is for good: create another one')
      }
      await http.keysRead
      if (!http.server.listening) {
        http.server.listen({ port: config.port, host: config.host, backlog: ACCEPT_BACKLOG })
        await once(http.server, 'listening')
      }
      operations.start()
      void links.ready.then(() => {
        started = true
      })
      const { address: host, port } = http.server.address() as AddressInfo
      logger.info({ host, port, url: shownUrl(host, port) }, 'listening')
      return { host, port }
    },
    reload: links.rereadPasswords,
    stop,
    stopped,
  }
}
