import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { runCli } from '../../server/cli.ts'
import { ConfigError, createGateway, readConfig } from '../../server/gateway.ts'
import { createLogger } from '../../server/observability/logger.ts'
import { type Client, connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { type GatewayProcess, runGateway, startGateway } from '../support/gateway-process.ts'
import { laterTroubles } from '../support/later-troubles.ts'
import { newPassword, type RedisAddress } from '../support/redis-trouble.ts'
import { createScope } from '../support/scope.ts'
import { startTroubles } from '../support/start-troubles.ts'
import { testScope } from '../support/test-scope.ts'

const scope = testScope()
const dir = mkdtempSync(join(tmpdir(), 'roomwire-canaries-'))
scope.defer(() => rmSync(dir, { recursive: true, force: true }))

/** The one is given raw in a URL, the other in a file or a variable. */
const ROOMS = newPassword()
const CACHE = newPassword()
const cacheFile = join(dir, 'cache')
writeFileSync(cacheFile, `${CACHE}\n`)

/** How a secret may show: as it is, in part, and in the forms that URLs and headers give it. */
function formsOf(secret: string): string[] {
  const base64 = (text: string) => Buffer.from(text).toString('base64').replace(/=+$/, '')
  const encoded = encodeURIComponent(secret)
  const half = secret.length / 2
  return [
    secret.slice(0, half),
    secret.slice(half, -1),
    encoded,
    encoded.toLowerCase(),
    // As a part of something longer that was encoded, base64 shifts by one or two bytes.
    ...['', ' ', '  '].map((before) => base64(before + secret).slice(4, -4)),
    Buffer.from(secret).toString('hex'),
  ]
}
const FORMS = [ROOMS, CACHE].flatMap(formsOf)
const URLS_WITH_USERINFO = /(redis|valkey)s?:\/\/[^\s"'/]*@/gi
/** What we write ourselves, to say how it is done. */
const PLACEHOLDERS = ['redis://:PASSWORD@', 'redis://[user:password@']

/** Fails with the surroundings of the first secret, which are about to be read by somebody. */
function holdsNoSecret(text: string): void {
  const lowered = text.toLowerCase()
  for (const form of FORMS) {
    const found = text.includes(form) ? text.indexOf(form) : lowered.indexOf(form.toLowerCase())
    expect(found < 0 ? '' : text.slice(Math.max(0, found - 80), found + 80)).toBe('')
  }
  const urls = text.match(URLS_WITH_USERINFO) ?? []
  expect(urls.filter((url) => !PLACEHOLDERS.includes(url))).toEqual([])
}

/** Both roles at one address, each with its own canary; by a user name where the address has one. */
function environment({ tls, host, port, ...address }: RedisAddress): Record<string, string> {
  const { username, withoutPassword, caFile } = address
  const scheme = tls ? 'rediss' : 'redis'
  // Where no password may be given it is there all the same, with its colon forgotten.
  const userinfo = (password: string) =>
    withoutPassword ? password : `${username ?? ''}:${password}`
  return {
    LOG_LEVEL: 'trace',
    WEBSOCKET_REDIS_URL: `${scheme}://${userinfo(ROOMS)}@${host}:${port}/0`,
    ...(withoutPassword
      ? { REDIS_URL: `${scheme}://${userinfo(CACHE)}@${host}:${port}` }
      : { REDIS_URL: `${scheme}://${host}:${port}`, REDIS_PASSWORD_FILE: cacheFile }),
    ...(username === undefined ? {} : { REDIS_USERNAME: username }),
    ...(caFile === undefined
      ? {}
      : { WEBSOCKET_REDIS_TLS_CA_FILE: caFile, REDIS_TLS_CA_FILE: caFile }),
  }
}

/** Everything that a gateway says to anybody. */
async function collect(gateway: GatewayProcess, client: Client): Promise<string> {
  const pages = ['/health', '/health/ready', '/health/live', '/metrics', '/nowhere', '/']
  const bodies = pages.map(async (path) => {
    const response = await fetch(gateway.url + path)
    return `${inspect(response.headers)}\n${await response.text()}`
  })
  const requests = [
    client.request('gateway:hello', {}),
    client.request('room:send', { room: 'lobby', id: 'one', body: 'hello' }),
    client.request('room:join', { room: 'lobby' }),
    client.request('room:history', { room: 'lobby' }),
    client.request('room:send', { room: 'lobby' }),
  ]
  const said = await Promise.all([
    ...bodies,
    ...requests.map(async (reply) => inspect(await reply)),
  ])
  return [...said, inspect(client.received('gateway:status'), { depth: 9 })].join('\n')
}

const oneOfEachKind = [
  ...new Map([...laterTroubles, ...startTroubles].map((each) => [each.kind, each])).values(),
]

for (const { title, kind, arrange } of oneOfEachKind) {
  test.concurrent(`no secret shows at LOG_LEVEL=trace: ${title} (${kind})`, async ({
    onTestFinished,
  }) => {
    const scope = createScope()
    onTestFinished(() => scope.close())
    const { address, nodeArgs = [], begin } = await arrange(scope, [ROOMS, CACHE])
    const gateway = await startGateway(scope, { env: environment(address), nodeArgs })
    if (begin !== undefined) await gateway.ready()
    await begin?.()
    const named = gateway.waitForLog((entry) => entry['kind'] === kind && entry['role'] === 'rooms')
    const client = await connectClient(scope, gateway.url, { session: 'a session' })
    const before = await collect(gateway, client)
    await named
    const after = await collect(gateway, client)
    client.close()
    expect(await gateway.stop()).toEqual({ code: 0, signal: null })
    expect(gateway.logs.some(({ level }) => level <= 20)).toBe(true)
    holdsNoSecret([before, after, ...gateway.output].join('\n'))
  })
}

/** Places where a secret is given, most of them by mistake. */
const SETTINGS: readonly Record<string, string>[] = [
  { REDIS_URL: `redis://:${ROOMS}@127.0.0.1:1/0` },
  { REDIS_URL: `redis://gw:${encodeURIComponent(ROOMS)}@127.0.0.1:1` },
  { REDIS_URL: `redis://${ROOMS}@127.0.0.1:1` },
  { REDIS_URL: `redis://:${ROOMS}@127.0.0.1:1?password=${CACHE}&${CACHE}` },
  { REDIS_URL: `redis://:%41${ROOMS}@127.0.0.1:1` },
  { REDIS_URL: 'redis://127.0.0.1:1', REDIS_PASSWORD: ROOMS, WEBSOCKET_REDIS_PASSWORD: CACHE },
  { REDIS_URL: `redis://:${CACHE}@127.0.0.1:1`, REDIS_PASSWORD: ROOMS },
  { REDIS_URL: 'redis://127.0.0.1:1', REDIS_USERNAME: 'gw', REDIS_PASSWORD_FILE: cacheFile },
  { REDIS_URL: `redis://127.0.0.1:1`, REDIS_PASSWORD: ` "${ROOMS}"\n${CACHE}` },
  { REDIS_URL: 'redis://127.0.0.1:1', REDIS_PASWORD: ROOMS, REDIS_PASSWORDS: CACHE },
]
const MALFORMED: readonly Record<string, string>[] = [
  ...[
    `redis://:${ROOMS}@127.0.0.1:port`,
    `redis://:${ROOMS}@127.0.0.1:99999`,
    `redis://:${ROOMS}@127.0.0.1/${CACHE}`,
    `redis://:${ROOMS}@`,
    `redis://:${ROOMS}`,
    `redis:/:${ROOMS}@127.0.0.1`,
    `http://:${ROOMS}@127.0.0.1`,
    `"redis://:${ROOMS}@127.0.0.1"`,
    `127.0.0.1:6379,password=${ROOMS}`,
    ROOMS,
  ].flatMap((url) => [{ REDIS_URL: url }, { WEBSOCKET_REDIS_URL: url }]),
  // A secret in the place of another setting.
  ...[
    'REDIS_PASSWORD_FILE',
    'REDIS_TLS_CA_FILE',
    'REDIS_TLS_SERVER_NAME',
    'REDIS_KEY_PREFIX',
    'REDIS_SENTINEL_HOSTS',
    'PORT',
    'HOST',
    'LOG_LEVEL',
    'DEDUP_WINDOW',
    'MAX_BODY_BYTES',
    'CORS_ALLOW_ORIGIN',
    'WEBSOCKET_MANAGER',
    'ENABLE_WEBSOCKET_SUPPORT',
  ].map((variable) => ({ REDIS_URL: 'rediss://127.0.0.1:1', [variable]: ROOMS })),
]

test('what readConfig throws and warns of holds no secret', () => {
  for (const env of SETTINGS) holdsNoSecret(inspect(readConfig(env).warnings, { depth: 9 }))
  for (const env of MALFORMED) {
    let thrown: unknown
    try {
      readConfig(env)
    } catch (error) {
      thrown = error
    }
    expect(thrown, Object.keys(env).join()).toBeInstanceOf(ConfigError)
    holdsNoSecret(everythingOf(thrown))
  }
})

test('what createGateway logs, throws and offers holds no secret', async () => {
  const scope = testScope()
  const { config } = readConfig({
    ...SETTINGS[0],
    WEBSOCKET_REDIS_URL: `redis://:${CACHE}@127.0.0.1:2`,
    HOST: '127.0.0.1',
    PORT: '0',
  })
  const lines: string[] = []
  const logger = createLogger(
    { level: 'trace', instance: 'canary' },
    { write: (line) => void lines.push(line) },
  )
  const gateway = createGateway(config, { logger })
  scope.defer(() => gateway.stop())
  const { port } = await gateway.start()
  await eventually(() => gateway.health().redis.rooms.state === 'down')
  const second = createGateway({ ...config, port }, { logger })
  scope.defer(() => second.stop())
  const thrown = await second.start().catch((error: unknown) => error)
  expect(thrown).toMatchObject({ code: 'EADDRINUSE' })
  holdsNoSecret([everythingOf(thrown), everythingOf(gateway.health()), ...lines].join('\n'))
})

test.each(['config', 'doctor'])('roomwire %s prints no secret', async (command) => {
  for (const env of [...SETTINGS, ...MALFORMED]) {
    const printed: string[] = []
    const output = { write: (text: string) => printed.push(text) }
    const code = await runCli([command], {
      env,
      stdin: Readable.from([]),
      stdout: output,
      stderr: output,
    })
    expect(command === 'config' ? [0, 78] : [2]).toContain(code)
    expect(printed).not.toEqual([])
    holdsNoSecret(printed.join(''))
  }
})

test('the program prints no secret where it does not become a gateway', async () => {
  const scope = testScope()
  const runs = [
    { env: Object.assign({}, ...MALFORMED), args: [], code: 78 },
    { env: Object.assign({}, ...SETTINGS), args: ['--help'], code: 0 },
    { env: {}, args: [`redis://:${ROOMS}@127.0.0.1`], code: 2 },
    { env: {}, args: ['config', ROOMS], code: 2 },
    { env: {}, args: [`--password=${ROOMS}`], code: 2 },
  ]
  for (const { code, ...run } of runs) {
    const ended = await runGateway(scope, run)
    expect(ended.code, ended.output.join('\n')).toBe(code)
    expect(ended.output).not.toEqual([])
    holdsNoSecret(ended.output.join('\n'))
  }
})

test('the search above finds a secret in each of its forms', () => {
  for (const secret of [ROOMS, CACHE]) {
    const header = Buffer.from(`default:${secret}`).toString('base64')
    const url = `redis://:${encodeURIComponent(secret)}@redis`
    const forms = [secret, `${secret.slice(0, 30)}…`, url, url.toLowerCase(), header]
    for (const form of forms) expect(() => holdsNoSecret(`{"at":"${form}"}`), form).toThrow()
  }
  expect(() => holdsNoSecret('to redis://user:other@redis:6379')).toThrow()
})

/** An object as a debugger or a crash report would show it. */
function everythingOf(value: unknown): string {
  return [
    inspect(value, { depth: 9, showHidden: true, getters: true }),
    JSON.stringify(value),
    value instanceof Error ? `${value.stack}${String(value)}` : '',
  ].join('\n')
}
