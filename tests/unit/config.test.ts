import { describe, expect, test } from 'vitest'
import { ConfigError, type ConfigProblem, readConfig } from '../../server/config.ts'
import { type Option, options } from '../../server/options.ts'

type Env = Record<string, string>

const config = (env: Env) => readConfig(env).config
const warnings = (env: Env) => readConfig(env).warnings

function problems(env: Env): readonly ConfigProblem[] {
  try {
    readConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('options', () => {
  test('defaults', () => {
    const { instanceId, ...rest } = config({})
    expect(instanceId).toMatch(/^[\w.-]{1,48}-[0-9a-f]{6}$/)
    expect(rest).toMatchInlineSnapshot(`
      {
        "apiKeysFile": undefined,
        "auth": undefined,
        "cache": undefined,
        "cacheMemoryMax": 33554432,
        "chatPage": true,
        "classifier": {
          "kind": "off",
        },
        "contentDedupWindowMs": 0,
        "corsOrigins": [],
        "dedupWindowMs": 600000,
        "drainNoticeMs": 2000,
        "drainPeriodMs": 10000,
        "host": "0.0.0.0",
        "keyRequests": {
          "count": 20000,
          "perMs": 10000,
        },
        "limits": {
          "maxConnectionsPerUser": 0,
          "rates": {},
        },
        "logLevel": "info",
        "maxBodyBytes": 65536,
        "maxClientBacklogBytes": 2097152,
        "maxConnectQueue": 5000,
        "maxConnections": 0,
        "maxRooms": 1000,
        "operatorToken": undefined,
        "pingIntervalMs": 25000,
        "pingTimeoutMs": 20000,
        "policy": {
          "authorizer": undefined,
          "claim": "roomwire",
          "fallback": "open",
          "publicRooms": [],
        },
        "port": 8080,
        "presenceGraceMs": 10000,
        "presenceLeaseMs": 10000,
        "producers": {
          "emitterKey": "socket.io",
          "python": undefined,
        },
        "readyFollowsRedis": false,
        "redisKeyPrefix": "roomwire",
        "resumeMax": 1000,
        "roomAckReplicas": 0,
        "roomLogMax": 10000,
        "roomLogTtlMs": 604800000,
        "rooms": undefined,
        "shutdownTimeoutMs": 30000,
        "socketPath": "/socket.io/",
        "tracing": false,
        "trustProxy": 0,
        "webhook": undefined,
        "websocket": true,
      }
    `)
  })

  test('every default is what its own type expects', () => {
    for (const [name, option] of Object.entries<Option<unknown>>(options)) {
      if (option.default === undefined) continue
      expect(option.type.parse(option.default), name).toBeDefined()
    }
  })

  test('an empty value counts as unset, and white space around one is no part of it', () => {
    expect(config({ PORT: '', REDIS_URL: '  ', WEBSOCKET_MANAGER: '' }).port).toBe(8080)
    expect(config({ PORT: ' 81 ' }).port).toBe(81)
  })

  test.each([
    ['25', 25_000],
    ['1.5', 1500],
    ['250ms', 250],
    ['30 s', 30_000],
    ['2M', 120_000],
  ])('duration %s', (text, ms) => {
    expect(config({ WEBSOCKET_SERVER_PING_INTERVAL: text }).pingIntervalMs).toBe(ms)
  })

  test.each([
    ['100', 100],
    ['2kB', 2000],
    ['2KiB', 2048],
    ['0.5 MiB', 524_288],
    ['1mb', 1_000_000],
  ])('size %s', (text, bytes) => {
    expect(config({ MAX_BODY_BYTES: text }).maxBodyBytes).toBe(bytes)
  })

  test.each([
    ['true', true],
    ['Yes', true],
    ['ON', true],
    ['1', true],
    ['false', false],
    ['no', false],
    ['Off', false],
    ['0', false],
  ])('switch %s', (text, value) => {
    expect(config({ ENABLE_WEBSOCKET_SUPPORT: text }).websocket).toBe(value)
  })

  test.each([
    ['https://Chat.Example.com/', ['https://chat.example.com']],
    [
      'https://a.test:443; http://b.test:80;http://c.test:8080;',
      ['https://a.test', 'http://b.test', 'http://c.test:8080'],
    ],
    ['capacitor://localhost', ['capacitor://localhost']],
    ['https://a.test;*', ['*']],
  ])('origins %s', (text, expected) => {
    expect(config({ CORS_ALLOW_ORIGIN: text }).corsOrigins).toEqual(expected)
  })

  test.each([
    ['/socket.io', '/socket.io/'],
    ['ws/chat/', '/ws/chat/'],
  ])('socket path %s', (text, expected) => {
    expect(config({ SOCKET_PATH: text }).socketPath).toBe(expected)
  })
})

describe('problems', () => {
  test('all are reported at once, each with its variable and what would be right', () => {
    const found = problems({
      PORT: '80a',
      MAX_BODY_BYTES: '2MiB',
      ENABLE_WEBSOCKET_SUPPORT: 'maybe',
      LOG_LEVEL: 'verbose',
      REDIS_URL: 'redis:6379',
      WEBSOCKET_REDIS_PASSWORD_FILE: '/nowhere',
      WEBSOCKET_REDIS_URL: 'redis://redis',
      AUTH_MODE: 'jwt',
    })
    expect(found.map(({ variable, message }) => `${variable} ${message}`)).toMatchInlineSnapshot(`
      [
        "REDIS_URL must start with redis:// or rediss:// (or valkey://, valkeys://)",
        "WEBSOCKET_REDIS_PASSWORD_FILE must be the path of a readable file (ENOENT)",
        "PORT must be a whole number from 0 to 65535",
        "ENABLE_WEBSOCKET_SUPPORT must be true or false (or yes, no, on, off, 1, 0)",
        "MAX_BODY_BYTES must be a size from 1 to 1MiB (bytes, or a number with kB, MB, KiB or MiB)",
        "AUTH_MODE is jwt: it needs one of JWT_SECRET_FILE, JWT_PUBLIC_KEY_FILE, JWT_JWKS_URL",
        "LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent",
      ]
    `)
  })

  test.each([
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '8080.5'],
    ['HOST', 'a b'],
    ['INSTANCE_ID', 'a/b'],
    ['SOCKET_PATH', '/'],
    ['SOCKET_PATH', '/api/x'],
    ['SOCKET_PATH', '/a?b'],
    ['SOCKET_PATH', '/a//b'],
    ['REDIS_KEY_PREFIX', '{room}'],
    ['REDIS_KEY_PREFIX', 'a*'],
    ['CORS_ALLOW_ORIGIN', 'chat.example.com'],
    ['CORS_ALLOW_ORIGIN', 'https://a.test/chat'],
    ['CORS_ALLOW_ORIGIN', 'https://*.a.test'],
    ['CORS_ALLOW_ORIGIN', 'https://a.test,https://b.test'],
    ['WEBSOCKET_SERVER_PING_TIMEOUT', '20 parsecs'],
    ['WEBSOCKET_SERVER_PING_TIMEOUT', '0'],
    ['ROOM_LOG_MAX', '0'],
    ['ROOM_LOG_TTL', 'forever'],
    ['WEBSOCKET_MANAGER', 'postgres'],
    ['WEBSOCKET_MANAGER', 'redis'],
    ['MAX_BODY_BYTES', '64 cubits'],
    ['ENABLE_WEBSOCKET_SUPPORT', 'toString'],
  ])('%s=%s', (variable, value) => {
    expect(problems({ [variable]: value })).toMatchObject([{ variable }])
  })

  test('D2: the dedup window cannot outlive the log it refers to', () => {
    expect(problems({ DEDUP_WINDOW: '2h', ROOM_LOG_TTL: '1h' })).toMatchObject([
      { variable: 'DEDUP_WINDOW', message: expect.stringContaining('ROOM_LOG_TTL') },
    ])
    expect(config({ DEDUP_WINDOW: '1h', ROOM_LOG_TTL: '1h' }).dedupWindowMs).toBe(3_600_000)
  })

  test('no problem or warning repeats a value', () => {
    const canary = 'hunter2'
    const unreadable = () => {
      throw Object.assign(new Error(`no such file: ${canary}`), { code: 'ENOENT' })
    }
    for (const name of Object.keys(options)) {
      for (const value of [
        canary,
        `redis:${canary}`,
        `redis://${canary}@redis`,
        `"${canary}" %41`,
      ]) {
        const env = {
          REDIS_URL: 'redis://redis',
          WEBSOCKET_REDIS_URL: 'redis://redis',
          [name]: value,
        }
        try {
          expect(JSON.stringify(readConfig(env, unreadable).warnings), name).not.toContain(canary)
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error
          expect(`${error.stack}${JSON.stringify(error)}`, name).not.toContain(canary)
        }
      }
    }
  })
})

describe('misspelt names', () => {
  test.each([
    ['REDIS_URI', 'REDIS_URL'],
    ['REDIS_PASSWROD', 'REDIS_PASSWORD'],
    ['WEBSOKET_REDIS_URL', 'WEBSOCKET_REDIS_URL'],
    ['ROOMLOG_MAX', 'ROOM_LOG_MAX'],
    ['CORS_ALLOW_ORIGINS', 'CORS_ALLOW_ORIGIN'],
    ['redis_url', 'REDIS_URL'],
  ])('%s', (variable, meant) => {
    expect(warnings({ [variable]: 'x', WEBSOCKET_MANAGER: 'memory' })).toMatchObject([
      { variable, level: 'warn', message: expect.stringContaining(`did you mean ${meant}?`) },
    ])
  })

  test('neither other names nor those whose right one is set', () => {
    expect(warnings({ REDIS_PORT: 'tcp://10.0.0.1:6379', HOSTNAME: 'x' })).toEqual([])
    expect(warnings({ REDIS_URI: 'x', REDIS_URL: 'redis://redis' })).toEqual([])
  })

  test('nor a host by itself, which would be ignored where there is no URL', () => {
    const env = { REDIS_HOST: 'redis', REDIS_PORT: '6379', WEBSOCKET_MANAGER: 'memory' }
    expect(warnings(env)).toMatchObject([
      { variable: 'REDIS_HOST', message: 'is not an option; use REDIS_URL' },
      { variable: 'REDIS_PORT' },
    ])
    expect(warnings({ REDIS_HOST: 'redis', REDIS_URL: 'redis://redis' })).toEqual([])
  })

  test('a stop that is cut short', () => {
    expect(warnings({ SHUTDOWN_TIMEOUT: '5s' })).toMatchObject([{ variable: 'SHUTDOWN_TIMEOUT' }])
    expect(warnings({ SHUTDOWN_TIMEOUT: '12s' })).toEqual([])
  })
})
