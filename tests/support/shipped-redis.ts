import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Child, startChild } from './child.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import { repositoryRoot } from './gateway-process.ts'
import type { Scope } from './scope.ts'

const run = promisify(execFile)

/** Redis as compose.yml runs it: our script, one of our configuration files and a password file. */
export interface ShippedRedis {
  readonly host: '127.0.0.1'
  readonly port: number
  readonly pid: number
  readonly dir: string
  readonly passwordFile: string
  /** Runs redis-cli with these variables, such as REDISCLI_AUTH; returns stdout, trimmed. */
  cli(env: Record<string, string>, ...args: string[]): Promise<string>
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** Starts it again: same port, directory and password file. */
  start(): Promise<void>
}

/** @param configuration the name of a file in deploy/ */
export async function startShippedRedis(
  scope: Scope,
  configuration: string,
  password: string,
): Promise<ShippedRedis> {
  const dir = await mkdtemp(join(tmpdir(), 'roomwire-deploy-'))
  scope.defer(() => rm(dir, { recursive: true, force: true }))
  const passwordFile = join(dir, 'password')
  await writeFile(passwordFile, `${password}\n`)
  const port = await freePort()
  let child: Child

  const cli = async (env: Record<string, string>, ...args: string[]) => {
    const environment = { PATH: process.env['PATH'] ?? '', ...env }
    return (
      await run('redis-cli', ['-p', String(port), ...args], { env: environment })
    ).stdout.trim()
  }
  async function start(): Promise<void> {
    const script = join(repositoryRoot, 'deploy/redis-start.sh')
    const config = join(repositoryRoot, 'deploy', configuration)
    const loopback = ['--port', String(port), '--bind', '127.0.0.1']
    const started = await startChild(scope, 'sh', [script, config, ...loopback], {
      cwd: dir,
      env: { REDIS_PASSWORD_FILE: passwordFile },
    })
    child = started
    await eventually(
      async () => !started.running || /PONG|NOAUTH|WRONGPASS/.test(await cli({}, 'PING')),
      { what: 'an answer of redis-server' },
    )
    if (!started.running) throw new Error(`redis-start.sh ended:\n${started.tail()}`)
  }
  await start()

  return {
    host: '127.0.0.1',
    port,
    get pid() {
      return child.pid
    },
    dir,
    passwordFile,
    cli,
    async kill() {
      child.signal('SIGKILL')
      await child.exited
    },
    start,
  }
}
