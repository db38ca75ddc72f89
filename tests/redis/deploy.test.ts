import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { startChild } from '../support/child.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { repositoryRoot } from '../support/gateway-process.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

const run = promisify(execFile)
const PASSWORD = `80u7dxerdVK+ZaKp2drp76OKtH0O1EYXLwebTQ/q7mA= "$HOME' #\\`

/** Redis as compose.yml runs it: the script, the configuration file and the password file. */
async function startShipped(scope: Scope, configuration: string, password: string) {
  const dir = await mkdtemp(join(tmpdir(), 'roomwire-deploy-'))
  scope.defer(() => rm(dir, { recursive: true, force: true }))
  const passwordFile = join(dir, 'password')
  await writeFile(passwordFile, `${password}\n`)
  const port = await freePort()
  const child = await startChild(
    scope,
    'sh',
    [
      join(repositoryRoot, 'deploy/redis-start.sh'),
      join(repositoryRoot, 'deploy', configuration),
      ...['--port', String(port), '--bind', '127.0.0.1'],
    ],
    { cwd: dir, env: { REDIS_PASSWORD_FILE: passwordFile } },
  )
  const cli = async (auth: Record<string, string>, ...args: string[]) => {
    const env = { PATH: process.env['PATH'] ?? '', ...auth }
    return (await run('redis-cli', ['-p', String(port), ...args], { env })).stdout.trim()
  }
  await eventually(
    async () => !child.running || /PONG|NOAUTH|WRONGPASS/.test(await cli({}, 'PING')),
    { what: 'an answer of redis-server' },
  )
  if (!child.running) throw new Error(`redis-start.sh ended:\n${child.tail()}`)
  return { pid: child.pid, port, passwordFile, cli }
}

/** The health check of a Redis service, word for word but for the port. */
async function healthCheck(composeFile: string, port: number, env: Record<string, string>) {
  const compose = await readFile(join(repositoryRoot, composeFile), 'utf8')
  const line = /test: (\["CMD-SHELL", .*redis-cli.*\])$/m.exec(compose)?.[1] ?? '[]'
  const command = String((JSON.parse(line) as string[])[1])
    .replaceAll('$$', '$')
    .replace('redis-cli', `redis-cli -p ${port}`)
  return run('sh', ['-c', command], { env: { PATH: process.env['PATH'] ?? '', ...env } }).then(
    () => 'healthy',
    () => 'unhealthy',
  )
}

test.each([
  ['redis-rooms.conf', 'noeviction', 'yes'],
  ['redis-cache.conf', 'allkeys-lru', 'no'],
])('%s: %s, and the password is in no argument', async (configuration, policy, appendonly) => {
  const redis = await startShipped(testScope(), configuration, PASSWORD)
  const auth = { REDISCLI_AUTH: PASSWORD }
  expect(await redis.cli({}, 'PING')).toMatch(/^NOAUTH/)
  expect(await redis.cli(auth, 'PING')).toBe('PONG')
  expect(await redis.cli(auth, 'CONFIG', 'GET', 'maxmemory-policy')).toContain(policy)
  expect(await redis.cli(auth, 'CONFIG', 'GET', 'appendonly')).toContain(appendonly)
  expect(await readFile(`/proc/${redis.pid}/cmdline`, 'utf8')).not.toContain('80u7')
  expect(await readFile(`/proc/${redis.pid}/environ`, 'utf8')).not.toContain('80u7')
})

test.each([
  ['compose.yml', (file: string) => ({ REDIS_PASSWORD_FILE: file })],
  ['dokploy/compose.yml', () => ({ REDIS_PASSWORD: PASSWORD })],
])('the health check of %s tells a refusal from an answer', async (composeFile, environment) => {
  const scope = testScope()
  const redis = await startShipped(scope, 'redis-rooms.conf', PASSWORD)
  const right = environment(redis.passwordFile)
  expect(await healthCheck(composeFile, redis.port, right)).toBe('healthy')
  expect(await healthCheck(composeFile, redis.port, { REDIS_PASSWORD: 'wrong' })).toBe('unhealthy')
  expect(await healthCheck(composeFile, await freePort(), right)).toBe('unhealthy')
})

test('redis-start.sh refuses to start without a password', async () => {
  const script = join(repositoryRoot, 'deploy/redis-start.sh')
  const child = await startChild(testScope(), 'sh', [script, '/dev/null'])
  expect(await child.exited).toMatchObject({ code: 78 })
})

test.each(['compose.yml', 'dokploy/compose.yml'])(
  'every file that %s mounts exists',
  async (file) => {
    const compose = await readFile(join(repositoryRoot, file), 'utf8')
    const mounted = [...compose.matchAll(/^ +- (\.\.?\/[^:]+):/gm)].map(([, path]) => String(path))
    expect(mounted.length).toBeGreaterThan(1)
    for (const path of mounted) {
      expect(existsSync(join(repositoryRoot, dirname(file), path)), path).toBe(true)
    }
  },
)
