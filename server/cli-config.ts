import { nameOf } from './broker/redis/slots.ts'
import type { Config, RedisTarget } from './config.ts'
import type { TokenKeys } from './config-access.ts'

/** The configuration fit for printing: no secret, nor a URL that may hold one. */
export function shownConfig(config: Config): Record<keyof Config, unknown> {
  const { auth, policy, classifier } = config
  // Field by field, so that none is printed that nobody thought about.
  return {
    host: config.host,
    port: config.port,
    instanceId: config.instanceId,
    socketPath: config.socketPath,
    chatPage: config.chatPage,
    rooms: shownTarget(config.rooms),
    cache: shownTarget(config.cache),
    redisKeyPrefix: config.redisKeyPrefix,
    websocket: config.websocket,
    pingIntervalMs: config.pingIntervalMs,
    pingTimeoutMs: config.pingTimeoutMs,
    corsOrigins: config.corsOrigins,
    roomLogMax: config.roomLogMax,
    roomLogTtlMs: config.roomLogTtlMs,
    dedupWindowMs: config.dedupWindowMs,
    resumeMax: config.resumeMax,
    maxBodyBytes: config.maxBodyBytes,
    maxRooms: config.maxRooms,
    auth: auth && {
      keys: shownKeys(auth.keys),
      issuer: auth.issuer,
      audience: auth.audience,
      clockSkewMs: auth.clockSkewMs,
      userClaim: auth.userClaim,
      nameClaim: auth.nameClaim,
      cookie: auth.cookie,
    },
    policy: {
      fallback: policy.fallback,
      publicRooms: policy.publicRooms,
      claim: policy.claim,
      authorizer: policy.authorizer && {
        url: REDACTED,
        secret: redacted(policy.authorizer.secret),
        timeoutMs: policy.authorizer.timeoutMs,
        cacheTtlMs: policy.authorizer.cacheTtlMs,
      },
    },
    limits: config.limits,
    trustProxy: config.trustProxy,
    logLevel: config.logLevel,
    tracing: config.tracing,
    readyFollowsRedis: config.readyFollowsRedis,
    shutdownTimeoutMs: config.shutdownTimeoutMs,
    drainNoticeMs: config.drainNoticeMs,
    drainPeriodMs: config.drainPeriodMs,
    operatorToken: redacted(config.operatorToken),
    maxConnections: config.maxConnections,
    maxConnectQueue: config.maxConnectQueue,
    maxClientBacklogBytes: config.maxClientBacklogBytes,
    roomAckReplicas: config.roomAckReplicas,
    producers: config.producers,
    cacheMemoryMax: config.cacheMemoryMax,
    contentDedupWindowMs: config.contentDedupWindowMs,
    classifier:
      classifier.kind === 'http'
        ? {
            kind: classifier.kind,
            url: REDACTED,
            apiKey: redacted(classifier.apiKey),
            timeoutMs: classifier.timeoutMs,
            concurrency: classifier.concurrency,
            cacheTtlMs: classifier.cacheTtlMs,
          }
        : { kind: classifier.kind },
    apiKeysFile: config.apiKeysFile,
    keyRequests: config.keyRequests,
    webhook: config.webhook && GIVEN,
    presenceGraceMs: config.presenceGraceMs,
    presenceLeaseMs: config.presenceLeaseMs,
  }
}

const REDACTED = '[redacted]'
const GIVEN = '[given]'

function redacted(secret: unknown): string | undefined {
  return secret === undefined ? undefined : REDACTED
}

function shownKeys(keys: TokenKeys): unknown {
  if (keys.kind === 'jwks') return keys
  const { key, algorithms } = keys.key
  return { kind: key.type, algorithms, overlapMs: keys.overlapMs }
}

/** What is absent is null, so that it shows. */
function shownTarget(target: RedisTarget | undefined): unknown {
  if (target === undefined) return 'memory'
  const { source, host, port, database, username, password, tls, cluster, sentinel } = target
  return {
    from: source.address,
    host,
    port,
    database,
    username: source.usernameMayBePassword ? REDACTED : (username ?? null),
    password: password === undefined ? null : `[redacted, from ${source.password}]`,
    tls: tls === undefined ? null : shownTls(tls),
    cluster: cluster?.seeds.map(nameOf) ?? null,
    sentinel: sentinel === undefined ? null : shownSentinel(sentinel),
  }
}

function shownSentinel(sentinel: NonNullable<RedisTarget['sentinel']>): unknown {
  const { hosts, username, password, passwordSource } = sentinel
  return {
    hosts: hosts.map(nameOf),
    username: username ?? null,
    password: password === undefined ? null : `[redacted, from ${passwordSource}]`,
  }
}

function shownTls(tls: NonNullable<RedisTarget['tls']>): unknown {
  const given = (pem: string | undefined) => (pem === undefined ? null : GIVEN)
  return {
    ca: given(tls.ca),
    cert: given(tls.cert),
    key: given(tls.key),
    serverName: tls.serverName ?? null,
  }
}
