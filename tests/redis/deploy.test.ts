import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { startChild } from '../support/child.ts'
import {
  type ComposeService,
  composeFiles,
  environmentOf,
  healthCheckLine,
  mountedPaths,
  readCompose,
} from '../support/compose.ts'
import { freePort } from '../support/free-port.ts'
import { repositoryRoot } from '../support/gateway-process.ts'
import { startShippedRedis } from '../support/shipped-redis.ts'
import { testScope } from '../support/test-scope.ts'

const run = promisify(execFile)
const PASSWORD = `80u7dxerdVK+ZaKp2drp76OKtH0O1EYXLwebTQ/q7mA= "$HOME' #\\`

/** The health check of a service, word for word but for the port. */
function healthCheck(service: ComposeService, port: number, env: Record<string, string>) {
  const line = healthCheckLine(service).replace('redis-cli', `redis-cli -p ${port}`)
  return run('sh', ['-c', line], { env: { PATH: process.env['PATH'] ?? '', ...env } }).then(
    () => 'healthy',
    () => 'unhealthy',
  )
}

/** Every Redis that we ship, with the settings file it mounts. */
const redisServices = composeFiles.flatMap((file) =>
  Object.entries(readCompose(file).services)
    .filter(([, { image }]) => image?.startsWith('redis:'))
    .map(([name, service]) => {
      const mounted = mountedPaths(file, service).find((path) => path.endsWith('.conf'))
      return { file, name, service, configuration: basename(mounted ?? '') }
    }),
)

test.each([
  ['redis-rooms.conf', 'noeviction', 'yes'],
  ['redis-cache.conf', 'allkeys-lru', 'no'],
])('%s: %s, and the password is in no argument', async (configuration, policy, appendonly) => {
  const redis = await startShippedRedis(testScope(), configuration, PASSWORD)
  const auth = { REDISCLI_AUTH: PASSWORD }
  expect(await redis.cli({}, 'PING')).toMatch(/^NOAUTH/)
  expect(await redis.cli(auth, 'PING')).toBe('PONG')
  expect(await redis.cli(auth, 'CONFIG', 'GET', 'maxmemory-policy')).toContain(policy)
  expect(await redis.cli(auth, 'CONFIG', 'GET', 'appendonly')).toContain(appendonly)
  expect(await readFile(`/proc/${redis.pid}/cmdline`, 'utf8')).not.toContain('80u7')
  expect(await readFile(`/proc/${redis.pid}/environ`, 'utf8')).not.toContain('80u7')
})

test('every compose file has a Redis', () => {
  expect(new Set(redisServices.map(({ file }) => file))).toEqual(new Set(composeFiles))
})

test.each(redisServices)(
  'the health check of $name in $file tells a refusal from an answer',
  async ({ file, service, configuration }) => {
    const redis = await startShippedRedis(testScope(), configuration, PASSWORD)
    const byFile = 'REDIS_PASSWORD_FILE' in environmentOf(file, service)
    const wrongFile = join(dirname(redis.passwordFile), 'wrong')
    await writeFile(wrongFile, 'wrong\n')
    const right = byFile
      ? { REDIS_PASSWORD_FILE: redis.passwordFile }
      : { REDIS_PASSWORD: PASSWORD }
    const wrong = byFile ? { REDIS_PASSWORD_FILE: wrongFile } : { REDIS_PASSWORD: 'wrong' }
    expect(await healthCheck(service, redis.port, right)).toBe('healthy')
    expect(await healthCheck(service, redis.port, wrong)).toBe('unhealthy')
    expect(await healthCheck(service, redis.port, {})).toBe('unhealthy')
    expect(await healthCheck(service, await freePort(), right)).toBe('unhealthy')
    // A frozen one never answers: Docker's time-out of the check decides.
    process.kill(redis.pid, 'SIGSTOP')
    const frozen = Promise.race([healthCheck(service, redis.port, right), sleep(1000, 'no answer')])
    expect(await frozen).not.toBe('healthy')
    process.kill(redis.pid, 'SIGCONT')
  },
)

test('redis-start.sh refuses to start without a password', async () => {
  const script = join(repositoryRoot, 'deploy/redis-start.sh')
  const child = await startChild(testScope(), 'sh', [script, '/dev/null'])
  expect(await child.exited).toMatchObject({ code: 78 })
})
