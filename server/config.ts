/** How one Redis role is reached. Credentials are already decided; nothing here is ever a URL. */
export interface RedisTarget {
  /** Variables the values came from, for messages: `WEBSOCKET_REDIS_URL`, `REDIS_PASSWORD_FILE`… */
  source: { address: string; password: string | undefined }
  host: string
  port: number
  database: number
  username: string | undefined
  password: string | undefined
  tls: RedisTls | undefined
}

export interface RedisTls {
  ca: string | undefined
  cert: string | undefined
  key: string | undefined
  /** SNI and certificate name; the host where undefined. */
  serverName: string | undefined
}

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'

/** Everything an instance needs to know; made by `readConfig`, never changed afterwards. Times in ms. */
export interface Config {
  host: string
  /** 0 lets the system choose. */
  port: number
  instanceId: string
  socketPath: string
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
  authMode: 'none'
  logLevel: LogLevel
  /** Readiness follows the rooms' Redis after the start. */
  readyFollowsRedis: boolean
  shutdownTimeoutMs: number
}
