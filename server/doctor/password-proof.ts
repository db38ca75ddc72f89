import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { openInspection } from '../broker/redis/inspection.ts'
import { readConfig } from '../config.ts'
import type { Environment } from '../option-reader.ts'
import { type CheckResult, type Finding, failed, ok } from './check.ts'
import { percentEncoded, rawInUrl } from './password-advice.ts'
import { refusal } from './server.ts'

const START_MS = 5000

/**
 * Logs in to a throw-away redis-server on a loopback port that has this password, in every form in
 * which a gateway can be given one. The password goes there through its standard input, and neither
 * into an argument nor onto a disk.
 */
export async function provePassword(password: string, env: Environment): Promise<CheckResult[]> {
  const port = await freePort()
  const server = spawn('redis-server', ['-'], {
    cwd: tmpdir(),
    env: { PATH: env['PATH'] },
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  try {
    await once(server, 'spawn')
  } catch {
    const remedy = 'install redis-server here, or leave out --prove'
    return [{ id: 'proof', ...failed('there is no redis-server on this machine', remedy) }]
  }
  try {
    server.stdin.on('error', () => undefined).end(configuration(port, password))
    const wrong = await answersTo(server, port)
    if (wrong !== undefined) return [{ id: 'proof', ...wrong }]
    const results: CheckResult[] = []
    for (const [form, variables] of Object.entries(forms(port, password))) {
      const finding = await logIn(variables, password)
      // That a raw URL cannot hold every password is a warning wherever it is found.
      const known = form === 'raw' && finding.status === 'failed' && !rawInUrl(password)
      results.push({ id: `proof-${form}`, ...finding, ...(known && { status: 'warning' }) })
    }
    return results
  } finally {
    server.kill('SIGKILL')
  }
}

function forms(port: number, password: string): Record<string, Environment> {
  const address = `127.0.0.1:${port}`
  return {
    file: { REDIS_URL: `redis://${address}`, REDIS_PASSWORD_FILE: 'standard input' },
    variable: { REDIS_URL: `redis://${address}`, REDIS_PASSWORD: password },
    encoded: { REDIS_URL: `redis://:${percentEncoded(password)}@${address}` },
    raw: { REDIS_URL: `redis://:${password}@${address}` },
  }
}

/** As a gateway reads it and logs in. */
async function logIn(env: Environment, password: string): Promise<Finding> {
  try {
    const { config } = readConfig(env, () => Buffer.from(`${password}\n`))
    if (config.rooms === undefined) throw new Error('no target')
    const inspection = await openInspection(config.rooms)
    inspection.close()
    return ok('logs in')
  } catch (error) {
    return failed(refusal(error).message, 'use a form that logs in')
  }
}

/** Waits for the server; undefined once it refuses another password, as it must. */
async function answersTo(server: ChildProcess, port: number): Promise<Finding | undefined> {
  const { config } = readConfig({ REDIS_URL: `redis://:${randomUUID()}@127.0.0.1:${port}` })
  const until = performance.now() + START_MS
  while (config.rooms !== undefined && server.exitCode === null && performance.now() < until) {
    try {
      const inspection = await openInspection(config.rooms)
      inspection.close()
      return failed('the throw-away redis-server takes any password', 'report this')
    } catch (error) {
      if (refusal(error).kind === 'wrongpass') return undefined
      await sleep(20)
    }
  }
  return failed('the throw-away redis-server did not start', 'run redis-server - by hand')
}

function configuration(port: number, password: string): string {
  const bytes = [...Buffer.from(password)].map((byte) => byte.toString(16).padStart(2, '0'))
  const quoted = `"${bytes.map((byte) => `\\x${byte}`).join('')}"`
  return `bind 127.0.0.1\nport ${port}\nsave ""\nappendonly no\nrequirepass ${quoted}\n`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
