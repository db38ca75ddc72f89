import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { refusedPasswordHint } from '../../server/broker/redis/credentials.ts'
import { ConfigError, readConfig } from '../../server/config.ts'

type Env = Record<string, string>

/** Reads with files held in memory. */
function read(env: Env, files: Record<string, string | Uint8Array> = {}) {
  return readConfig(env, (path) => {
    const content = files[path]
    if (content === undefined) throw Object.assign(new Error(), { code: 'ENOENT' })
    return typeof content === 'string' ? new TextEncoder().encode(content) : content
  })
}

function problems(env: Env, files: Record<string, string | Uint8Array> = {}) {
  try {
    read(env, files)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('two roles', () => {
  test('no URL: memory', () => {
    expect(read({}).config).toMatchObject({ rooms: undefined, cache: undefined })
    const env = { REDIS_PASSWORD: 'pw', WEBSOCKET_MANAGER: 'memory' }
    expect(read(env).warnings).toMatchObject([{ variable: 'REDIS_PASSWORD' }])
  })

  const inMemory = (env: Env) =>
    read(env, { '/pw': 'pw' }).warnings.filter(({ message }) =>
      message.includes('rooms live in memory'),
    )

  test.each<[Env, string]>([
    [{ REDIS_HOST: 'redis' }, 'REDIS_HOST'],
    [{ REDIS_URI: 'redis://redis' }, 'REDIS_URI'],
    [{ REDISURL: 'redis://redis' }, 'REDISURL'],
    [{ WEBSOCKET_REDIS_UR: 'redis://redis' }, 'WEBSOCKET_REDIS_UR'],
    [{ REDIS_TLS_URL: 'rediss://redis' }, 'REDIS_TLS_URL'],
    [{ REDISCLOUD_URL: 'redis://redis' }, 'REDISCLOUD_URL'],
    [{ VALKEY_URL: 'valkey://valkey' }, 'VALKEY_URL'],
    [{ REDIS_PASSWORD: 'pw' }, 'REDIS_PASSWORD'],
    [{ WEBSOCKET_REDIS_PASSWORD_FILE: '/pw' }, 'WEBSOCKET_REDIS_PASSWORD_FILE'],
    [{ REDIS_CLUSTER: 'true' }, 'REDIS_CLUSTER'],
    [{ REDIS_SENTINEL_HOST: 'a' }, 'REDIS_SENTINEL_HOST'],
  ])('a Redis seems to be meant, rooms live in memory: %j is named for it', (env, variable) => {
    expect(inMemory(env)).toMatchObject([{ variable, level: 'warn' }])
    expect(inMemory({ ...env, WEBSOCKET_MANAGER: 'Memory' })).toEqual([])
    expect(inMemory({ ...env, WEBSOCKET_REDIS_URL: 'redis://redis' })).toEqual([])
  })

  test('the sign of a Redis is one line, however many variables it is', () => {
    const found = inMemory({ REDIS_HOST: 'redis', REDIS_PORT: '6379', REDIS_PASSWORD: 'pw' })
    expect(found).toMatchObject([
      { variable: 'REDIS_PASSWORD', message: expect.stringMatching(/REDIS_HOST, REDIS_PORT/) },
    ])
  })

  test.each<Env>([
    {},
    { REDIS_PORT: 'tcp://10.0.0.1:6379', REDIS_SERVICE_HOST: '10.0.0.1' },
    { CELERY_BROKER_URL: 'redis://redis' },
    { REDIS_CLUSTER: 'false', REDIS_EMITER: 'false', REDIS_KEY_PREFX: 'a' },
  ])('no Redis seems to be meant: %j', (env) => {
    expect(inMemory(env)).toEqual([])
  })

  test('one URL: both roles are that target as a whole, credentials included', () => {
    for (const prefix of ['REDIS', 'WEBSOCKET_REDIS']) {
      const { config, warnings } = read({
        [`${prefix}_URL`]: 'redis://redis:6380/2',
        [`${prefix}_USERNAME`]: 'gw',
        [`${prefix}_PASSWORD`]: 'pw',
      })
      expect(config.rooms).toBe(config.cache)
      expect(config.rooms).toMatchObject({
        source: { address: `${prefix}_URL`, password: `${prefix}_PASSWORD` },
        ...{ host: 'redis', port: 6380, database: 2, username: 'gw', password: 'pw' },
      })
      expect(warnings).toEqual([])
    }
  })

  test('two URLs: credentials never travel to the other host', () => {
    const { config, warnings } = read({
      REDIS_URL: 'redis://cache',
      REDIS_USERNAME: 'gw',
      REDIS_PASSWORD: 'pw',
      WEBSOCKET_REDIS_URL: 'redis://rooms',
    })
    expect(config.cache).toMatchObject({ host: 'cache', username: 'gw', password: 'pw' })
    expect(config.rooms).toMatchObject({ host: 'rooms', username: undefined, password: undefined })
    // It may be what was meant, so this is no warning.
    expect(warnings).toMatchObject([{ variable: 'WEBSOCKET_REDIS_URL', level: 'info' }])
  })

  test('credentials of a role that has no URL are not used for the other one', () => {
    const { config, warnings } = read({
      REDIS_URL: 'redis://:right@redis',
      WEBSOCKET_REDIS_PASSWORD: 'wrong',
      WEBSOCKET_REDIS_TLS_CA_FILE: '/never/read',
    })
    expect(config.rooms?.password).toBe('right')
    expect(warnings.map(({ variable }) => variable)).toEqual([
      'WEBSOCKET_REDIS_PASSWORD',
      'WEBSOCKET_REDIS_TLS_CA_FILE',
    ])
  })

  test('WEBSOCKET_MANAGER=memory keeps rooms in memory though a URL is set', () => {
    const { config } = read({ REDIS_URL: 'redis://redis', WEBSOCKET_MANAGER: 'memory' })
    expect(config).toMatchObject({ rooms: undefined, cache: { host: 'redis' } })
  })
})

describe('the password rule', () => {
  const url = { REDIS_URL: 'redis://url-user:from-url@redis' }
  const files = { '/pw': 'from-file\n' }

  test('file, then variable, then URL; what is not used is named', () => {
    const env: Env = { ...url, REDIS_PASSWORD: 'explicit', REDIS_PASSWORD_FILE: '/pw' }
    const first = read(env, files)
    expect(first.config.rooms).toMatchObject({
      password: 'from-file',
      username: 'url-user',
      source: { password: 'REDIS_PASSWORD_FILE' },
    })
    expect(first.warnings.map(({ variable }) => variable)).toEqual(['REDIS_PASSWORD', 'REDIS_URL'])

    const second = read({ ...url, REDIS_PASSWORD: 'explicit', REDIS_USERNAME: 'gw' })
    expect(second.config.rooms).toMatchObject({ password: 'explicit', username: 'gw' })
    expect(second.warnings.map(({ variable }) => variable)).toEqual(['REDIS_URL', 'REDIS_URL'])

    const third = read(url)
    expect(third.config.rooms).toMatchObject({
      password: 'from-url',
      source: { password: 'REDIS_URL' },
    })
    expect(third.warnings).toEqual([])
  })

  test('explicit values are taken as they are', () => {
    for (const password of ['%41', 'a%2Bb', ' padded ', '"quoted"', 'a b']) {
      const inVariable = read({ REDIS_URL: 'redis://redis', REDIS_PASSWORD: password })
      const inFile = read(
        { REDIS_URL: 'redis://redis', REDIS_PASSWORD_FILE: '/pw' },
        { '/pw': password },
      )
      expect(inVariable.config.rooms?.password).toBe(password)
      expect(inFile.config.rooms?.password).toBe(password)
      // A shell or an editor may have left those.
      expect(inVariable.warnings.length).toBe(/^[ "]/.test(password) ? 1 : 0)
    }
  })

  test.each([
    ['pw', 'pw'],
    ['pw\n', 'pw'],
    ['pw\r\n', 'pw'],
    ['\uFEFFpw\n', 'pw'],
    ['pw\n\n', 'pw\n'],
  ])('file content %j', (content, password) => {
    const env = { REDIS_URL: 'redis://redis', REDIS_PASSWORD_FILE: '/pw' }
    const { config, warnings } = read(env, { '/pw': content })
    expect(config.rooms?.password).toBe(password)
    expect(warnings.length).toBe(password === 'pw' ? 0 : 1)
  })

  test.each([
    ['empty', '\n'],
    ['not UTF-8', new Uint8Array([0x70, 0xe9])],
    ['missing', undefined],
  ])('a password file that is %s is a problem', (_, content) => {
    const env = { REDIS_URL: 'redis://redis', REDIS_PASSWORD_FILE: '/pw' }
    expect(problems(env, content === undefined ? {} : { '/pw': content })).toMatchObject([
      { variable: 'REDIS_PASSWORD_FILE' },
    ])
  })
})

describe('ambiguous URLs get a note that names the way out', () => {
  const read1 = (text: string, more: Env = {}) => {
    const { config, warnings } = read({ WEBSOCKET_REDIS_URL: text, ...more })
    return { source: config.rooms?.source, warnings }
  }

  test('a percent-encoded password is information', () => {
    const { source, warnings } = read1('redis://:a%2Bb@redis')
    expect(warnings).toMatchObject([
      {
        variable: 'WEBSOCKET_REDIS_URL',
        level: 'info',
        message: expect.stringContaining('WEBSOCKET_REDIS_PASSWORD_FILE'),
      },
    ])
    expect(source).toMatchObject({ passwordDecoded: true })
    expect(refusedPasswordHint(source ?? fail())).toContain('WEBSOCKET_REDIS_PASSWORD_FILE')
  })

  test('one that is encoded as nobody would is a warning', () => {
    expect(read1('redis://:a%41b@redis').warnings).toMatchObject([
      { level: 'warn', message: expect.stringContaining('WEBSOCKET_REDIS_PASSWORD_FILE') },
    ])
  })

  test('a missing colon is a warning, and the user name is as secret as a password', () => {
    const { source, warnings } = read1('redis://hunter2@redis')
    expect(warnings).toMatchObject([
      {
        level: 'warn',
        message: expect.stringMatching(/redis:\/\/:PASSWORD@.*WEBSOCKET_REDIS_PASSWORD_FILE/),
      },
    ])
    expect(source).toMatchObject({ usernameMayBePassword: true })
    expect(refusedPasswordHint(source ?? fail())).toContain('WEBSOCKET_REDIS_PASSWORD_FILE')
  })

  test('a user name alone, which the client would not send, is a warning', () => {
    expect(read1('redis://gw:@redis').warnings).toMatchObject([{ level: 'warn' }])
    expect(read1('redis://redis', { WEBSOCKET_REDIS_USERNAME: 'gw' }).warnings).toMatchObject([
      { variable: 'WEBSOCKET_REDIS_USERNAME', level: 'warn' },
    ])
  })

  test('nothing to say where an explicit password settles it', () => {
    const { source, warnings } = read1('redis://gw@redis', { WEBSOCKET_REDIS_PASSWORD: 'a%41' })
    expect(warnings).toEqual([])
    expect(source).toMatchObject({ passwordDecoded: false, usernameMayBePassword: false })
    expect(refusedPasswordHint(source ?? fail())).toBeUndefined()
  })

  test('query parameters are ignored aloud', () => {
    const [warning] = read1('redis://redis?password=hunter2&db=1').warnings
    expect(warning?.message).toContain('password, db')
    expect(warning?.message).not.toContain('hunter2')
    expect(warning?.message).not.toContain('rediss://')
  })

  test('whoever asks for TLS in a parameter is told how to', () => {
    expect(read1('redis://redis?ssl=true').warnings).toMatchObject([
      { message: expect.stringContaining('rediss://') },
    ])
  })
})

describe('TLS', () => {
  const dir = mkdtempSync(join(tmpdir(), 'roomwire-tls-'))
  afterAll(() => rmSync(dir, { recursive: true }))
  const make = (name: string): { cert: string; key: string } => {
    const [cert, key] = [join(dir, `${name}.pem`), join(dir, `${name}.key`)]
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'].concat([
        '-subj',
        `/CN=${name}`,
        '-keyout',
        key,
        '-out',
        cert,
      ]),
      { stdio: 'ignore' },
    )
    return { cert, key }
  }
  const a = make('a')
  const b = make('b')
  const secure = { REDIS_URL: 'rediss://redis' }
  const refused = (env: Env) => {
    try {
      readConfig(env)
    } catch (error) {
      if (error instanceof ConfigError) return error.problems.map(({ variable }) => variable)
    }
    return []
  }

  test('files are read at the start', () => {
    const { config } = readConfig({
      ...secure,
      REDIS_TLS_CA_FILE: b.cert,
      REDIS_TLS_CERT_FILE: a.cert,
      REDIS_TLS_KEY_FILE: a.key,
      REDIS_TLS_SERVER_NAME: 'redis.internal',
    })
    expect(config.rooms?.tls).toEqual({
      ca: expect.stringContaining('BEGIN CERTIFICATE'),
      cert: expect.stringContaining('BEGIN CERTIFICATE'),
      key: expect.stringContaining('PRIVATE KEY'),
      serverName: 'redis.internal',
    })
    expect(readConfig(secure).config.rooms?.tls).toEqual({
      ca: undefined,
      cert: undefined,
      key: undefined,
      serverName: undefined,
    })
    expect(readConfig({ REDIS_URL: 'redis://redis' }).config.rooms?.tls).toBeUndefined()
  })

  test.each<[string, Env, string]>([
    ['missing file', { REDIS_TLS_CA_FILE: join(dir, 'none') }, 'REDIS_TLS_CA_FILE'],
    ['key as authority', { REDIS_TLS_CA_FILE: a.key }, 'REDIS_TLS_CA_FILE'],
    ['certificate alone', { REDIS_TLS_CERT_FILE: a.cert }, 'REDIS_TLS_KEY_FILE'],
    ['key alone', { REDIS_TLS_KEY_FILE: a.key }, 'REDIS_TLS_CERT_FILE'],
    [
      'key of another certificate',
      { REDIS_TLS_CERT_FILE: a.cert, REDIS_TLS_KEY_FILE: b.key },
      'REDIS_TLS_CERT_FILE',
    ],
    [
      'TLS files beside redis://',
      { REDIS_URL: 'redis://redis', REDIS_TLS_CA_FILE: a.cert },
      'REDIS_TLS_CA_FILE',
    ],
  ])('%s is a problem', (_, env, variable) => {
    expect(refused({ ...secure, ...env })).toEqual([variable])
  })
})

function fail(): never {
  throw new Error('no target')
}
