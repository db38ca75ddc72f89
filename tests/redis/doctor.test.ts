import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { rightsFor } from '../../server/broker/redis/rights.ts'
import type { Report } from '../../server/doctor/check.ts'
import { examine } from '../../server/doctor/doctor.ts'
import { reportText } from '../../server/doctor/report.ts'
import { makeCertificates } from '../support/certificates.ts'
import { eventually } from '../support/eventually.ts'
import { holdsNoSecret, testFaults, troubled } from '../support/fault-tests.ts'
import { repositoryRoot, runGateway } from '../support/gateway-process.ts'
import { startInProcess } from '../support/in-process.ts'
import { logInFaults } from '../support/log-in-faults.ts'
import { networkFaults } from '../support/network-faults.ts'
import { aclPassword, type RedisServer, startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { environment, PASSWORD, secretFile, startRooms } from '../support/seeded-fault.ts'
import { serverFaults } from '../support/server-faults.ts'
import { testScope } from '../support/test-scope.ts'

test('there are enough faults', () => {
  const all = [...logInFaults, ...networkFaults, ...serverFaults]
  expect(all.length).toBeGreaterThanOrEqual(25)
})

testFaults([...logInFaults, ...serverFaults])

describe('nothing is found on a healthy set-up', () => {
  async function isHealthy(env: Record<string, string>, redis: RedisServer): Promise<void> {
    const report = await examine(env)
    expect(troubled(report), reportText(report)).toEqual([])
    expect(report).toMatchObject({ ok: true, exitCode: 0 })
    expect(report.checks.filter(({ status }) => status === 'skipped')).toEqual([])
    holdsNoSecret(report)
    // Nothing stays behind.
    for (const key of (await redis.cli('KEYS', '*')).split('\n').filter(Boolean)) {
      expect(await redis.cli('PTTL', key), key).not.toBe('-1')
    }
  }

  async function withCache(scope: Scope): Promise<Record<string, string>> {
    const config = ['maxmemory 64mb', 'maxmemory-policy allkeys-lru']
    const cache = await startRedis(scope, { rights: 'all', requirepass: PASSWORD, config })
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
    const users = [
      String(shipped.trim().split('\n').at(-1)).replace('#<sha256>', aclPassword(PASSWORD)),
    ]
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
  const needed = rightsFor({ roles: ['rooms', 'cache'], cluster: false })
  const tried = needed.filter(({ trial, setting }) => trial !== undefined && setting === undefined)
  expect(tried.length).toBeGreaterThan(20)
  for (const { command, without } of tried.filter(({ command }) => command !== 'info')) {
    await redis.cli('ACL', 'SETUSER', 'gw', `-${command}`)
    const { checks } = await examine(env)
    const lacking = checks.filter(({ id, status }) => id === 'rights' && status !== 'ok')
    expect(lacking).toMatchObject([
      {
        status: without === undefined ? 'failed' : 'warning',
        seen: expect.stringContaining(`gw lacks +${command}`),
        remedy: expect.stringContaining(`ACL SETUSER gw +${command}`),
      },
    ])
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
  expect(lines.output.find((line) => line.includes('rooms skipped'))).toMatch(
    /because tcp failed: .*\bauth\b/,
  )
  expect(lines.output.join('\n')).not.toContain(PASSWORD)
  const report = JSON.parse(json.output.join('\n')) as Report
  expect(report).toMatchObject({ ok: false, exitCode: 2 })
  expect(report.checks.find(({ id }) => id === 'tcp')).toMatchObject({
    role: 'rooms',
    status: 'failed',
  })
})
