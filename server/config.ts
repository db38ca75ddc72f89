import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { type AccessConfig, readAccess } from './config-access.ts'
import type { Rate } from './option-access-types.ts'
import { type ClassifierConfig, readClassifier } from './option-classifier.ts'
import {
  ConfigError,
  type ConfigWarning,
  createOptionReader,
  type Environment,
  type OptionReader,
  type ReadFile,
} from './option-reader.ts'
import { findStrangers, meansRedis } from './option-typos.ts'
import { type RedisTarget, readRedisRoles } from './redis-roles.ts'

export type { ClassifierConfig } from './option-classifier.ts'
export type { ConfigProblem, ConfigWarning } from './option-reader.ts'
export { ConfigError } from './option-reader.ts'
export type { RedisSentinel, RedisSource, RedisTarget, RedisTls } from './redis-roles.ts'

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'

/** Everything an instance needs to know; made by `readConfig`, never changed afterwards. Times in ms. */
export interface Config extends AccessConfig {
  host: string
  /** 0 lets the system choose. */
  port: number
  instanceId: string
  socketPath: string
  /** Whether `/` is the chat page. */
  chatPage: boolean
  /** Where rooms live; undefined means in memory. */
  rooms: RedisTarget | undefined
  /** Where the cache lives; undefined means in memory. */
  cache: RedisTarget | undefined
  redisKeyPrefix: string
  /** False: polling only. */
  websocket: boolean
  pingIntervalMs: number
  pingTimeoutMs: number
  /** Origins allowed by CORS; `['*']` allows all, empty allows same-origin pages only. */
  corsOrigins: readonly string[]
  roomLogMax: number
  roomLogTtlMs: number
  dedupWindowMs: number
  resumeMax: number
  maxBodyBytes: number
  maxRooms: number
  logLevel: LogLevel
  tracing: boolean
  /** Readiness follows the rooms' Redis after the start. */
  readyFollowsRedis: boolean
  shutdownTimeoutMs: number
  drainNoticeMs: number
  drainPeriodMs: number
  operatorToken: string | undefined
  maxClientBacklogBytes: number
  /** 0: no limit. */
  maxConnections: number
  maxConnectQueue: number
  roomAckReplicas: number
  producers: {
    /** Undefined: not listened to. */
    emitterKey: string | undefined
    /** No events: all but ours. */
    python:
      | { channel: string; events: readonly string[]; namespaces: readonly string[] }
      | undefined
  }
  /** Bytes. */
  cacheMemoryMax: number
  /** 0: off. */
  contentDedupWindowMs: number
  classifier: ClassifierConfig
  /** A path, since the file may change. */
  apiKeysFile: string | undefined
  /** Of one key of it; undefined: no limit. */
  keyRequests: Rate | undefined
  /** The file may change: then the secret in it counts. */
  webhook: { url: string; secret: string; secretFile: string } | undefined
  presenceGraceMs: number
  presenceLeaseMs: number
}

/**
 * Reads the environment by the option table, and the files it names. An empty value counts as unset.
 *
 * @throws ConfigError with every problem at once; neither it nor a warning holds any value.
 */
export function readConfig(
  env: Environment,
  readFile: ReadFile = (path) => readFileSync(path),
): { config: Config; warnings: readonly ConfigWarning[] } {
  const reader = createOptionReader(env, readFile)
  const roles = readRedisRoles(reader)
  const hasUrl = reader.isSet('REDIS_URL') || reader.isSet('WEBSOCKET_REDIS_URL')
  const idle = hasUrl ? [] : reader.warnings.map(({ variable }) => variable)
  const home = reader.value('WEBSOCKET_MANAGER')
  const config: Config = {
    host: reader.value('HOST'),
    port: reader.value('PORT'),
    instanceId: reader.value('INSTANCE_ID') ?? newInstanceId(),
    socketPath: reader.value('SOCKET_PATH'),
    chatPage: reader.value('CHAT_PAGE'),
    rooms: home === 'memory' ? undefined : roles.rooms,
    cache: roles.cache,
    redisKeyPrefix: reader.value('REDIS_KEY_PREFIX'),
    websocket: reader.value('ENABLE_WEBSOCKET_SUPPORT'),
    pingIntervalMs: reader.value('WEBSOCKET_SERVER_PING_INTERVAL'),
    pingTimeoutMs: reader.value('WEBSOCKET_SERVER_PING_TIMEOUT'),
    corsOrigins: reader.value('CORS_ALLOW_ORIGIN') ?? [],
    roomLogMax: reader.value('ROOM_LOG_MAX'),
    roomLogTtlMs: reader.value('ROOM_LOG_TTL'),
    dedupWindowMs: reader.value('DEDUP_WINDOW'),
    resumeMax: reader.value('RESUME_MAX'),
    maxBodyBytes: reader.value('MAX_BODY_BYTES'),
    maxRooms: reader.value('MAX_ROOMS'),
    ...readAccess(reader),
    logLevel: reader.value('LOG_LEVEL'),
    tracing: reader.value('TRACING'),
    readyFollowsRedis: reader.value('READY_FOLLOWS_REDIS'),
    shutdownTimeoutMs: reader.value('SHUTDOWN_TIMEOUT'),
    drainNoticeMs: reader.value('DRAIN_NOTICE'),
    drainPeriodMs: reader.value('DRAIN_PERIOD'),
    operatorToken: reader.value('OPERATOR_TOKEN'),
    maxConnections: reader.value('MAX_CONNECTIONS'),
    maxConnectQueue: reader.value('MAX_CONNECT_QUEUE'),
    maxClientBacklogBytes: reader.value('MAX_CLIENT_BACKLOG'),
    roomAckReplicas: reader.value('ROOM_ACK_REPLICAS'),
    producers: readProducers(reader),
    cacheMemoryMax: reader.value('CACHE_MEMORY_MAX'),
    contentDedupWindowMs: reader.value('CONTENT_DEDUP_WINDOW'),
    classifier: readClassifier(reader),
    apiKeysFile: reader.value('API_KEYS_FILE'),
    keyRequests: unlessOff(reader.value('LIMIT_KEY_REQUESTS')),
    webhook: readWebhook(reader),
    presenceGraceMs: reader.value('PRESENCE_GRACE'),
    presenceLeaseMs: reader.value('PRESENCE_LEASE'),
  }
  if (home === 'redis' && !hasUrl) {
    reader.problem('WEBSOCKET_MANAGER', 'is redis: it needs WEBSOCKET_REDIS_URL or REDIS_URL')
  }
  // A repeat must find the entry it repeats (D2).
  if (config.dedupWindowMs > config.roomLogTtlMs) {
    reader.problem('DEDUP_WINDOW', 'must not be longer than ROOM_LOG_TTL')
  }
  if (config.shutdownTimeoutMs < config.drainNoticeMs + config.drainPeriodMs) {
    const message =
      'is shorter than DRAIN_NOTICE and DRAIN_PERIOD together: many clients would be cut off at its end'
    reader.warn('SHUTDOWN_TIMEOUT', message)
  }
  reader.file('API_KEYS_FILE') // whoever sets it relies on it
  const strangers = findStrangers(env)
  for (const { variable, message } of strangers) reader.warn(variable, message)
  if (home === undefined && !hasUrl) {
    const signs = strangers.filter(meansRedis).map(({ variable }) => variable)
    warnOfMemory([...idle, ...signs], reader)
  }
  if (reader.problems.length > 0) throw new ConfigError(reader.problems, reader.warnings)
  return { config, warnings: reader.warnings }
}

/** Instances would quietly split their rooms between them. */
function warnOfMemory([sign, ...others]: readonly string[], reader: OptionReader): void {
  if (sign === undefined) return
  const also = others.length === 0 ? '' : ` (also ${others.join(', ')})`
  const message = `seems to be for a Redis${also}, but no URL names one: rooms live in memory, and instances share nothing; set WEBSOCKET_REDIS_URL or REDIS_URL, or WEBSOCKET_MANAGER=memory if that is meant`
  reader.warn(sign, message)
}

function readProducers(reader: OptionReader): Config['producers'] {
  const python = {
    channel: reader.value('PYTHON_SOCKETIO_CHANNEL'),
    events: reader.value('PYTHON_SOCKETIO_EVENTS') ?? [],
    namespaces: reader.value('PYTHON_SOCKETIO_NAMESPACES'),
  }
  const emitterKey = reader.value('REDIS_EMITTER_KEY')
  return {
    emitterKey: reader.value('REDIS_EMITTER') ? emitterKey : undefined,
    python: reader.value('PYTHON_SOCKETIO') ? python : undefined,
  }
}

function readWebhook(reader: OptionReader): Config['webhook'] {
  const url = reader.value('WEBHOOK_URL')
  const content = reader.file('WEBHOOK_SECRET_FILE')
  if (url === undefined) {
    if (content !== undefined) {
      reader.warn('WEBHOOK_SECRET_FILE', 'has no effect without WEBHOOK_URL')
    }
    return undefined
  }
  const secret = content && webhookSecret(content)
  const secretFile = reader.value('WEBHOOK_SECRET_FILE')
  if (secret === undefined || secretFile === undefined) {
    reader.problem('WEBHOOK_SECRET_FILE', 'must name a file that holds a secret, for WEBHOOK_URL')
    return undefined
  }
  return { url, secret, secretFile }
}

function unlessOff(rate: Rate | 'off'): Rate | undefined {
  return rate === 'off' ? undefined : rate
}

/** The secret in the bytes of its file; undefined where there is none. */
export function webhookSecret(content: Uint8Array): string | undefined {
  return new TextDecoder().decode(content).replace(/\r?\n$/, '') || undefined
}

function newInstanceId(): string {
  const host =
    hostname()
      .replace(/[^\w.-]/g, '')
      .slice(0, 48) || 'roomwire'
  return `${host}-${randomBytes(3).toString('hex')}`
}
