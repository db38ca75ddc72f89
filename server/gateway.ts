import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import type { Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Express } from 'express'
import type { Server } from 'socket.io'
import type { MemoryStore } from './broker/memory.ts'
import type { Cache } from './cache/cache.ts'
import type { Config } from './config.ts'
import { apiRoutes } from './edge/api/api.ts'
import { claimRoutes } from './edge/api/claims.ts'
import { messageRoutes } from './edge/api/messages.ts'
import { roomRoutes } from './edge/api/rooms.ts'
import { userRoutes } from './edge/api/users.ts'
import { handOver } from './edge/drain.ts'
import { createPreparation, type Embedding, embed } from './edge/embedding.ts'
import { createHandlers } from './edge/handlers.ts'
import { createHttp } from './edge/http.ts'
import { createOutlet, type SocketMember, traced } from './edge/outlet.ts'
import { createOverload } from './edge/overload.ts'
import { obey } from './edge/producer-commands.ts'
import { createSocketServer } from './edge/socket-server.ts'
import { createSockets } from './edge/sockets.ts'
import { createStatus } from './edge/status.ts'
import { createAccess } from './gateway-access.ts'
import { createGatewayCache } from './gateway-cache.ts'
import { type AfterStore, extendLog } from './gateway-labels.ts'
import { createBroker, createLinks } from './gateway-redis.ts'
import { createAccessEvents } from './observability/access-events.ts'
import { createEvents } from './observability/events.ts'
import { createFeed } from './observability/feed.ts'
import { type Health, readHealth, recordHealth } from './observability/health.ts'
import { createLogger, type Logger } from './observability/logger.ts'
import { createMetrics, type Metrics } from './observability/metrics.ts'
import { createOperations } from './observability/operations.ts'
import { createOperatorNotes } from './observability/operator-notes.ts'
import { createOverloadEvents } from './observability/overload-events.ts'
import { createProducerEvents } from './observability/producer-events.ts'
import { createTracing } from './observability/tracing.ts'
import { MAX_HISTORY, MAX_ID_LENGTH, MAX_ROOM_BYTES } from './protocol.ts'
import { createRooms } from './rooms/rooms.ts'
import { createRoster } from './rooms/roster.ts'
import { createApiKeyFile } from './session/api-key-file.ts'
import type { Authorize } from './session/hook-policy.ts'
import type { Control } from './session/revocations.ts'
import { createSessions } from './session/sessions.ts'

export { type Config, ConfigError, readConfig } from './config.ts'
export type { BeforeSend, Embedding, OnConnection, Outgoing } from './edge/embedding.ts'
export { GatewayError } from './errors.ts'

/** Replaces a part of the gateway, for embedding and for tests. */
export interface Overrides extends Embedding {
  logger?: Logger
  /** Rooms of a memory gateway; gateways that share one behave like instances that share a Redis. */
  store?: MemoryStore
  /** Called with each message that this instance stored, at most once, after its delivery began. */
  afterStore?: AfterStore
  /** Decides who may do what in which room, in place of the configured policy. */
  authorize?: Authorize
}

/** One instance. */
export interface Gateway {
  /** The Socket.IO server: add handlers, namespaces and middleware of your own. */
  readonly io: Server
  /** The Express application behind the probes. */
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

const RING_CAPACITY = 128
const RING_BUDGET_BYTES = 64 * 1024 * 1024
const FILL_PAGE = 500
const LINGER_MS = 5000
/** A client that takes nothing for this long is gone before its ping time-out says so. */
const MAX_BEHIND_MS = 15_000
/** Of the bytes that may wait for a client, what is left while the instance cannot keep up. */
const OVERLOADED_SHARE = 0.5
/**
 * Connections that may wait for the process to accept them: beyond it the system drops attempts, which
 * come again after a second, probes as well. The system's own limit (somaxconn) applies too.
 */
const ACCEPT_BACKLOG = 4096

/** Assembles an instance in the order data flows: Redis, rooms, connections, HTTP. */
export function createGateway(config: Config, overrides: Overrides = {}): Gateway {
  const logger =
    overrides.logger ?? createLogger({ level: config.logLevel, instance: config.instanceId })
  const metrics = createMetrics()
  const feed = createFeed(config.instanceId, randomUUID())
  const notes = createOperatorNotes(feed)
  const events = createEvents({ logger, metrics, notes })
  const overloadEvents = createOverloadEvents({ logger, metrics, notes })
  const overload = createOverload(overloadEvents)
  const producerEvents = createProducerEvents({ logger, metrics })

  // Where messages live.
  const links = createLinks(config, { logger, metrics, notes })
  const broker = createBroker(config, links.rooms, {
    logger,
    store: overrides.store,
    producerEvents,
  })

  const cache = createGatewayCache(config, links.cache, metrics)

  // What a room is.
  const writing = createOutlet({
    delivered: events.delivered,
    tooSlow: (member) => sockets.cutOff(member),
    limits: {
      get maxBacklogBytes() {
        return config.maxClientBacklogBytes * patience()
      },
      // Not less under overload: then it may be us who are late.
      maxBehindMs: MAX_BEHIND_MS,
    },
  })
  const tracing = config.tracing ? createTracing(config.instanceId) : undefined
  const outlet = tracing === undefined ? writing : traced(writing, tracing)
  const patience = () => (overload.level < 2 ? 1 : OVERLOADED_SHARE)
  const roster = createRoster({
    store: broker.presence,
    options: { graceMs: config.presenceGraceMs, leaseMs: config.presenceLeaseMs },
    tell: (member, event) => (member as SocketMember).socket.emit('room:presence', event),
  })
  const rooms = createRooms({
    log: extendLog(config, {
      ...{ log: broker.log, cache, logger, metrics, notes },
      afterStore: overrides.afterStore,
      overloaded: () => overload.level > 0,
    }),
    outlet,
    attending: {
      entered: (member, room) => roster.entered(member as SocketMember, room),
      left: (member, room, mayReturn) => roster.left(member as SocketMember, room, mayReturn),
    },
    observer: { filled: events.filled, fillFailed: events.fillFailed, reset: events.reset },
    options: {
      ringCapacity: RING_CAPACITY,
      ringBudgetBytes: RING_BUDGET_BYTES,
      resumeMax: config.resumeMax,
      pageSize: FILL_PAGE,
      lingerMs: LINGER_MS,
      labelled: config.classifier.kind !== 'off',
      // Half of the life of an idle log: whoever has members keeps it.
      verifyEveryMs: Math.min(60_000, config.roomLogTtlMs / 2),
    },
  })

  // Who may do what.
  const access = createAccess(config, {
    broker,
    events: createAccessEvents({ logger, metrics }),
    authorize: overrides.authorize,
    sockets: () => sockets,
  })

  // Where clients arrive.
  let started = false
  let draining = false
  const health = () => readHealth(healthSource)
  const operations = createOperations({
    ...{ feed, notes, metrics, health, logger },
    cacheHeld: cache.held,
    directory: broker.directory,
    duplicates: broker.duplicates,
  })
  const apiKeys = config.apiKeysFile
    ? createApiKeyFile(config.apiKeysFile, {
        loaded: events.apiKeysLoaded,
        unreadable: events.apiKeysUnreadable,
      })
    : undefined
  const {
    app,
    server,
    close: closeHttp,
  } = createHttp({
    logger,
    metrics,
    health,
    operations,
    pageDir: pageDir(),
    socketPath: config.socketPath,
    operatorToken: config.operatorToken,
    api: apiRoutes({
      version: version(),
      findKey: apiKeys?.find,
      maxBodyBytes: config.maxBodyBytes,
      routes: [
        ...messageRoutes({ rooms, events, maxBodyBytes: config.maxBodyBytes }),
        ...roomRoutes({ rooms, roster }),
        ...claimRoutes(broker),
        ...userRoutes({ control: () => access.control }),
      ],
    }),
    drain: () => void stop(),
  })
  const { io, admission } = createSocketServer(server, {
    ...config,
    adapter: broker.adapter,
    draining: () => draining,
    overload: () => overload.level,
    connectRefused: overloadEvents.connectRefused,
    handshakeRefused: events.handshakeRefused,
    screening: access.screening,
  })
  const status = createStatus({
    trouble: broker.trouble,
    announce: (event) => sockets.announce(event),
  })
  broker.onTrouble(status.update)
  const handlers = createHandlers({
    rooms,
    roster,
    events,
    tracing,
    prepare: overrides.beforeSend && createPreparation(overrides.beforeSend),
    instance: config.instanceId,
    limits: {
      maxBodyBytes: config.maxBodyBytes,
      maxRoomBytes: MAX_ROOM_BYTES,
      maxRooms: config.maxRooms,
      maxIdLength: MAX_ID_LENGTH,
      maxHistory: MAX_HISTORY,
      resumeMax: config.resumeMax,
      dedupWindowMs: config.dedupWindowMs,
    },
    state: () => (broker.trouble() === undefined ? 'ok' : 'degraded'),
    durability: broker.durability,
    gate: access.gate,
    refresh: access.refresh,
  })
  const sockets = createSockets({
    io,
    rooms,
    events,
    sessions: createSessions({
      store: broker.sessions,
      home: { instance: config.instanceId, boot: feed.boot },
      fate: operations.fate,
      pingMs: config.pingIntervalMs + config.pingTimeoutMs,
    }),
    status: status.current,
    maxBacklogBytes: config.maxClientBacklogBytes,
    ...access.sockets,
    handlers: {
      ...handlers,
      typing(connection, request) {
        return overload.shedsVolatile() ? Promise.resolve() : handlers.typing(connection, request)
      },
    },
  })
  embed(io, overrides, { identify: access.identify, events })
  broker.producers?.listen((producer, command) => {
    const reason = obey(io, command)
    if (reason === undefined) producerEvents.obeyed(producer, command.kind)
    else producerEvents.refused(producer, reason)
  })
  // What operators see.
  const healthSource = {
    instance: config.instanceId,
    version: version(),
    durability: broker.durability,
    redis: links.health,
    connections: () => sockets.count,
    rooms: () => {
      const { rooms: local, members, behind } = rooms.counts()
      return { local, members, behind }
    },
    started: () => started,
    draining: () => draining,
    readyFollowsRedis: config.readyFollowsRedis,
  }
  metrics.onScrape(() => {
    const { rooms: local, members, behind } = rooms.counts()
    metrics.localRooms.set(local)
    metrics.roomMembers.set(members)
    metrics.roomsBehind.set(behind)
    metrics.connectsWaiting.set(admission.waiting)
    recordHealth(metrics, health())
  })

  async function shutDown(): Promise<void> {
    draining = true
    notes.draining(sockets.count)
    const deadline = AbortSignal.timeout(config.shutdownTimeoutMs)
    const { drainNoticeMs: noticeMs, drainPeriodMs: periodMs } = config
    await handOver(sockets, { noticeMs, periodMs }, deadline)
    rooms.stop()
    status.stop()
    apiKeys?.stop()
    sockets.stop()
    access.stop()
    overload.stop()
    // Whoever was admitted meanwhile; a server disconnect would keep plain clients away for good.
    for (const connection of sockets.all()) {
      sockets.sendAway(connection, { code: 'DRAIN', reconnect: true })
    }
    await Promise.all([closeHttp(), operations.stop(), roster.stop()])
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
    app,
    http: server,
    logger,
    metrics,
    cache,
    health,
    control: access.control,
    async start() {
      if (stopping !== undefined) {
        throw new Error('this gateway was stopped, which is for good: create another one')
      }
      await apiKeys?.ready
      server.listen({ port: config.port, host: config.host, backlog: ACCEPT_BACKLOG })
      await once(server, 'listening')
      operations.start()
      void links.ready.then(() => {
        started = true
      })
      const { address: host, port } = server.address() as AddressInfo
      logger.info({ host, port }, 'listening')
      return { host, port }
    },
    reload: links.rereadPasswords,
    stop,
    stopped,
  }
}

/** Where `vite build` puts the page: beside dist/server, also when this file is run from source. */
function pageDir(): string {
  const built = fileURLToPath(new URL('../client-demo/', import.meta.url))
  return existsSync(`${built}/assets`)
    ? built
    : fileURLToPath(new URL('../dist/client-demo/', import.meta.url))
}

function version(): string {
  for (const path of ['../package.json', '../../package.json']) {
    const url = new URL(path, import.meta.url)
    if (existsSync(url)) return String(JSON.parse(readFileSync(url, 'utf8')).version)
  }
  return 'unknown'
}
