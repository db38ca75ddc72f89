import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Report } from '../../server/doctor/check.ts'
import { examine } from '../../server/doctor/doctor.ts'
import { reportJson, reportText } from '../../server/doctor/report.ts'
import { makeCertificates } from '../support/certificates.ts'
import { eventually } from '../support/eventually.ts'
import { repositoryRoot, runGateway } from '../support/gateway-process.ts'
import { startInProcess } from '../support/in-process.ts'
import { logInFaults } from '../support/log-in-faults.ts'
import { networkFaults } from '../support/network-faults.ts'
import { aclPassword, type RedisServer, startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { environment, PASSWORD, secretFile, startRooms } from '../support/seeded-fault.ts'
import { serverFaults } from '../support/server-faults.ts'
import { testScope } from '../support/test-scope.ts'

const FAULTS = [...logInFaults, ...networkFaults, ...serverFaults]
/** What every set-up of these tests holds that nobody may read. */
const SECRETS = [PASSWORD, encodeURIComponent(PASSWORD), 'canary', 'of the owner']
const EXIT_CODES = { note: 0, warning: 1, failed: 2 } as const

function holdsNoSecret(report: Report): void {
  const printed = reportText(report) + reportJson(report)
  for (const secret of SECRETS) expect(printed).not.toContain(secret)
  const urls = printed.match(/redis.?:\/\/[^\s"]*@/g) ?? []
  expect(urls.filter((url) => url !== 'redis://:PASSWORD@')).toEqual([])
}

function troubled({ checks }: Report): string[] {
  const found = checks.filter(({ status }) => status === 'failed' || status === 'warning')
  return [...new Set(found.map(({ id }) => id))]
}

test('there are enough faults', () => {
  expect(FAULTS.length).toBeGreaterThanOrEqual(25)
})

for (const { title, id, status, remedy, also = [], arrange } of FAULTS) {
  test(`${title}: ${id} (${status})`, async () => {
    const { env, now } = await arrange(testScope())
    const began = performance.now()
    const report = await examine(env, now)
    expect(performance.now() - began).toBeLessThan(15_000)
    const found = report.checks.filter((check) => check.id === id && check.status === status)
    expect(found, reportText(report)).not.toEqual([])
    expect(found.map((check) => check.remedy ?? '').join('\n')).toMatch(remedy)
    expect(report.exitCode).toBe(EXIT_CODES[status])
    // Nothing else is accused.
    const accused = status === 'note' ? [] : [id, ...also].sort()
    expect(troubled(report).sort(), reportText(report)).toEqual(accused)
    holdsNoSecret(report)
  })
}

describe('nothing is found on a healthy set-up', () => {
  async function isHealthy(env: Record<string, string>, redis: RedisServer): Promise<void> {
    const report = await examine(env)
    expect(troubled(report), reportText(report)).toEqual([])
    expect(report).toMatchObject({ ok: true, exitCode: 0 })
    expect(report.checks.filter(({ status }) => status === 'skipped')).toEqual([])
    holdsNoSecret(report)
    // Nothing stays behind.
    for (const key of (await redis.cli('KEYS', '*')).split('\n').filter(Boolean)) {
      expect(Number(await redis.cli('PTTL', key)), key).toBeGreaterThan(0)
    }
  }

  async function withCache(scope: Scope): Promise<Record<string, string>> {
    const config = ['maxmemory 64mb', 'maxmemory-policy allkeys-lru']
    const cache = await startRedis(scope, { requirepass: PASSWORD, config })
    const file = await secretFile(scope, PASSWORD)
    return { REDIS_URL: cache.url({}), REDIS_PASSWORD_FILE: file }
  }

  test('standalone', async () => {
    const scope = testScope()
    const redis = await startRooms(scope)
    await isHealthy(await environment(scope, redis, await withCache(scope)), redis)
  })

  test('TLS', async () => {
    const scope = testScope()
    const tls = await makeCertificates(scope)
    const redis = await startRooms(scope, { tls })
    const settings = {
      WEBSOCKET_REDIS_URL: redis.url({}),
      WEBSOCKET_REDIS_TLS_CA_FILE: tls.caFile,
      ...(await withCache(scope)),
    }
    await isHealthy(await environment(scope, redis, settings), redis)
  })

  test('an ACL user with the rights that are shipped', async () => {
    const scope = testScope()
    const shipped = await readFile(join(repositoryRoot, 'deploy/users.acl'), 'utf8')
    const users = [shipped.trim().replace('#<sha256>', aclPassword(PASSWORD))]
    const redis = await startRooms(scope, { requirepass: 'of the owner', users })
    const settings = { WEBSOCKET_REDIS_USERNAME: 'roomwire', ...(await withCache(scope)) }
    await isHealthy(await environment(scope, redis, settings), redis)
  })

  test('in memory', async () => {
    expect(await examine({ PORT: '0' })).toMatchObject({ ok: true, exitCode: 0 })
  })
})

test('each right that an ACL user lacks is named', async () => {
  const scope = testScope()
  const redis = await startRooms(scope, {
    requirepass: 'of the owner',
    users: [`user gw on ${aclPassword(PASSWORD)} ~* &* +@all`],
  })
  const env = await environment(scope, redis, { WEBSOCKET_REDIS_USERNAME: 'gw' })
  const commands =
    'set get mget pexpire hset hmget hgetall hdel xadd xrange xrevrange time eval evalsha publish unlink subscribe'
  for (const command of commands.split(' ')) {
    await redis.cli('ACL', 'SETUSER', 'gw', `-${command}`)
    const { checks } = await examine(env)
    const lacking = checks.filter(({ id, status }) => id === 'rights' && status === 'failed')
    expect(lacking.map(({ seen }) => seen).join('\n')).toContain(`gw lacks +${command}:`)
    await redis.cli('ACL', 'SETUSER', 'gw', `+${command}`)
  }
})

test('a gateway that listens already is not in its own way, and is named', async () => {
  const scope = testScope()
  const redis = await startRooms(scope)
  const env = await environment(scope, redis, { HOST: '127.0.0.1' })
  const gateway = await startInProcess(scope, { ...env, PORT: '0', INSTANCE_ID: 'the-first' })
  await eventually(async () => (await redis.cli('HLEN', 'roomwire:{instances}')) !== '0')
  const report = await examine({ ...env, PORT: new URL(gateway.url).port })
  expect(report.exitCode).toBe(0)
  const seen = (wanted: string) => report.checks.find(({ id }) => id === wanted)?.seen
  expect(seen('port')).toContain('a gateway listens')
  expect(seen('prefix')).toContain('the-first')
})

test('the command ends with the code of what it found, and prints lines or JSON', async () => {
  const scope = testScope()
  const env = { WEBSOCKET_REDIS_URL: 'redis://127.0.0.1:1', WEBSOCKET_REDIS_PASSWORD: PASSWORD }
  const [lines, json] = await Promise.all([
    runGateway(scope, { env, args: ['doctor'] }),
    runGateway(scope, { env, args: ['doctor', '--json'] }),
  ])
  expect(lines.code).toBe(2)
  expect(lines.output.find((line) => line.includes('rooms tcp'))).toMatch(/^✗ rooms tcp /)
  expect(lines.output.find((line) => line.includes('rooms auth'))).toMatch(/skipped: tcp failed/)
  expect(lines.output.join('\n')).not.toContain(PASSWORD)
  const report = JSON.parse(json.output.join('\n')) as Report
  expect(report).toMatchObject({ ok: false, exitCode: 2 })
  expect(report.checks.find(({ id }) => id === 'tcp')).toMatchObject({
    role: 'rooms',
    status: 'failed',
  })
})
