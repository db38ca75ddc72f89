import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from 'redis'
import { beforeAll, expect, test } from 'vitest'
import { type ConfigWarning, type RedisTarget, readConfig } from '../../server/config.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

const printable = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index))

const PASSWORDS = [
  ...printable.flatMap((char) => [`${char}middle`, `mid${char}dle`, `middle${char}`]),
  // As generators and providers issue them: base64, base64url, hex, UUID.
  '80u7dxerdVK+ZaKp2drp76OKtH0O1EYXLwebTQ/q7mA=',
  '+/+/+/+/+/+/+w==',
  '//////////8=',
  'q1B-3_x-Zw8kLr0f5Yx_2A',
  'd41d8cd98f00b204e9800998ecf8427e',
  '0f8fad5b-d9cb-469f-a165-70867728950e',
  // What a URL could be torn apart at.
  '@ : / # ? % & = + [ ] \\ \' "',
  '@:/#?%&=+[]\\\'"',
  ...['@', ':', '/', '#', '?', '%', '//', '::', '@@', '%%', '[::1]', '123#x', '6379/0'],
  'redis://user:password@host:6379/0',
  '@redis:6379/0?db=1#x',
  'user:password',
  '?db=1&password=x',
  '"quoted"',
  "'quoted'",
  '`quoted`',
  '$HOME $(id) {x}',
  ' two  spaces ',
  '\ttabs\t',
  // Percent signs that begin no sequence, or none of UTF-8.
  ...['100%', '%4', '%zz', '50%41%', '%E9t%E9', '%FF', '%C3', '%41 100%'],
  // Not ASCII, composed and decomposed, and beyond the basic plane.
  ...['pässwörd', 'pa\u0308sswort', 'пароль', '密码', '🔑🗝️', 'a\u00a0b', '\u200b'],
  'x'.repeat(512),
  '/+='.repeat(170),
  'ü'.repeat(512),
]

/** Raw in a URL these cannot be told from encoded ones: they must be warned about. */
const LOOK_ENCODED = [
  '%41',
  'a%41b',
  'a%2Bb',
  'p%40ss',
  'p@ss%2B',
  '%C3%BC',
  '%25',
  '100%25',
  '%00',
]

const ALL = [...PASSWORDS, ...LOOK_ENCODED]
const USERS = [undefined, 'gw'] as const
const FORMS = ['raw', 'encoded', 'variable', 'file'] as const
type Form = (typeof FORMS)[number]

const scope = testScope()
const dir = mkdtempSync(join(tmpdir(), 'roomwire-passwords-'))
scope.defer(() => rmSync(dir, { recursive: true }))
let redis: RedisServer

beforeAll(async () => {
  redis = await startRedis(scope, { rights: 'all' })
})

function environment(password: string, user: string | undefined, form: Form, file: string) {
  const address = `127.0.0.1:${redis.port}/0`
  const username = user === undefined ? undefined : { REDIS_USERNAME: user }
  switch (form) {
    case 'raw':
      return { REDIS_URL: `redis://${user ?? ''}:${password}@${address}` }
    case 'encoded':
      return { REDIS_URL: `redis://${user ?? ''}:${encodeURIComponent(password)}@${address}` }
    case 'variable':
      return { REDIS_URL: `redis://${address}`, ...username, REDIS_PASSWORD: password }
    case 'file':
      return { REDIS_URL: `redis://${address}`, ...username, REDIS_PASSWORD_FILE: file }
  }
}

/** Never connected. `createClient` compiles a class for each new set of options: 13 ms, not 1 ms, a log-in. */
const template = createClient()

/** Who Redis says we are; the error where it refuses us. */
async function logIn(target: RedisTarget): Promise<string> {
  const client = template.duplicate({
    ...(target.username === undefined ? {} : { username: target.username }),
    ...(target.password === undefined ? {} : { password: target.password }),
    socket: { host: target.host, port: target.port, reconnectStrategy: false },
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await client.aclWhoAmI()
  } catch (error) {
    return String(error)
  } finally {
    if (client.isOpen) client.destroy()
  }
}

function namesTheWayOut(warnings: readonly ConfigWarning[]): boolean {
  return warnings.some(
    ({ variable, message }) =>
      variable === 'REDIS_URL' && message.includes('use REDIS_PASSWORD_FILE'),
  )
}

test('each password connects in every form, or its raw URL is warned about', async () => {
  expect(new Set(ALL).size).toBe(ALL.length)
  expect(ALL.length).toBeGreaterThanOrEqual(200)

  // Logged in before there is a password, so that changing it does not concern this connection.
  const admin = createClient({ socket: { host: redis.host, port: redis.port } })
  admin.on('error', () => undefined)
  await admin.connect()
  scope.defer(() => admin.destroy())

  const refused = new Set<string>()
  const broken: unknown[] = []
  let logins = 0
  for (const [index, password] of ALL.entries()) {
    const file = join(dir, String(index))
    writeFileSync(file, `${password}\n`)
    await Promise.all([
      admin.configSet('requirepass', password),
      // One password at a time: no other one of the table may let a wrong reading in.
      admin.aclSetUser('gw', ['on', 'resetpass', `>${password}`, '+@all']),
    ])
    const cases = USERS.flatMap((user) => FORMS.map((form) => ({ user, form })))
    await Promise.all(
      cases.map(async ({ user, form }) => {
        const { config, warnings } = readConfig(environment(password, user, form, file))
        if (config.rooms === undefined) throw new Error('no target')
        const answer = await logIn(config.rooms)
        logins++
        if (answer === (user ?? 'default')) return
        if (form === 'raw' && answer.includes('WRONGPASS') && namesTheWayOut(warnings)) {
          refused.add(password)
        } else broken.push({ password, user, form, answer, warnings })
      }),
    )
  }
  expect(broken).toEqual([])
  expect(logins).toBe(ALL.length * USERS.length * FORMS.length)
  expect([...refused].sort()).toEqual([...LOOK_ENCODED].sort())
})

test('a password whose colon was forgotten is warned about', async () => {
  for (const password of ['hunter2', '80u7dxerdVK+ZaKp2drp76OKtH0O1EYXLwebTQ/q7mA=', 'a%41']) {
    const { warnings } = readConfig({ REDIS_URL: `redis://${password}@127.0.0.1:${redis.port}` })
    expect(namesTheWayOut(warnings)).toBe(true)
  }
})
