import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Child, startChild } from './child.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import { ADMIN, isLeast, type RedisOptions, redisQuote, writeRedisConfig } from './redis-config.ts'
import type { Scope } from './scope.ts'

export { aclPassword, type RedisOptions, redisQuote, shippedRule } from './redis-config.ts'

const run = promisify(execFile)

export interface Credentials {
  username?: string
  password?: string
}

/**
 * A real redis-server on a loopback port. Its default user, whom gateways are by default, has the rights
 * of the rule that we ship and no others, for keys and channels that begin with `roomwire:`; tests that
 * talk to it themselves use `cli` or `admin` (see `RedisOptions.rights`). Passwords reach it by files,
 * never by its arguments.
 */
export interface RedisServer {
  readonly host: '127.0.0.1'
  readonly port: number
  readonly dir: string
  readonly pid: number
  readonly running: boolean
  /** Who may do everything. */
  readonly admin: Credentials
  /** The default user's password as it is now. */
  readonly password: string | undefined
  /** Every line it logged, over all its starts. */
  readonly log: readonly string[]
  /** Its URL with percent-encoded credentials: those given, else the default user's; `{}` for none. */
  url(credentials?: Credentials): string
  /** Runs redis-cli as `admin`; returns stdout, trimmed. */
  cli(...args: string[]): Promise<string>
  /** Runs redis-cli with these credentials; `{}` for none. */
  cliAs(credentials: Credentials, ...args: string[]): Promise<string>
  /** Changes the default user's password, also for the next start. Not for servers with ACL users. */
  setPassword(password: string): Promise<void>
  /** SIGSTOP: it keeps its connections and answers nothing. */
  pause(): void
  resume(): void
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** Asks it to shut down; resolves when it is gone. */
  stop(): Promise<void>
  /** Starts it again after `kill` or `stop`: same port, directory and options. */
  start(): Promise<void>
  restart(): Promise<void>
}

/** Starts one; resolves once it answers PING (a refusal is an answer too). */
export async function startRedis(scope: Scope, options: RedisOptions = {}): Promise<RedisServer> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'roomwire-redis-')))
  if (options.dir === undefined) scope.defer(() => rm(dir, { recursive: true, force: true }))
  const log: string[] = []
  let port = options.port ?? (await freePort())
  let password = options.requirepass
  let child: Child

  async function cliWith(credentials: Credentials, args: string[], input = ''): Promise<string> {
    const { tls: files } = options
    const certificate =
      files === undefined || !options.mutualTls
        ? []
        : ['--cert', files.certFile, '--key', files.keyFile]
    // Whatever is wrong with the certificate: it is for others to notice.
    const tls = files === undefined ? [] : ['--tls', '--insecure', ...certificate]
    const user = credentials.username === undefined ? [] : ['--user', credentials.username]
    const env: Record<string, string> = { PATH: process.env['PATH'] ?? '' }
    if (credentials.password !== undefined) env['REDISCLI_AUTH'] = credentials.password
    const cli = run(
      'redis-cli',
      ['-h', '127.0.0.1', '-p', String(port), ...tls, ...user, ...args],
      {
        env,
        maxBuffer: 64 * 1024 * 1024,
        timeout: 30_000,
      },
    )
    // It may end before it has read its input.
    cli.child.stdin?.on('error', () => undefined).end(input)
    return (await cli).stdout.trim()
  }
  const own = (): Credentials => (password === undefined ? {} : { password })
  const admin = (): Credentials => (isLeast(options) ? ADMIN : own())

  async function start(): Promise<void> {
    const config = await writeRedisConfig(dir, port, password, options)
    const started = await startChild(scope, 'redis-server', [config, ...(options.args ?? [])], {
      cwd: dir,
    })
    started.onLine((line) => void log.push(line))
    child = started
    await eventually(
      async () =>
        !started.running || /PONG|NOAUTH|WRONGPASS|NOPERM/.test(await cliWith(admin(), ['PING'])),
      { what: `an answer of redis-server on port ${port}`, timeoutMs: 30_000 },
    )
    if (!started.running) throw new Error(`redis-server ended at its start:\n${started.tail()}`)
  }

  async function firstStart(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await start()
      } catch (error) {
        const taken = log.some((line) => line.includes('Address already in use'))
        if (!taken || options.port !== undefined || attempt === 5) throw error
        port = await freePort()
      }
    }
  }
  await firstStart()

  return {
    host: '127.0.0.1',
    get port() {
      return port
    },
    dir,
    get pid() {
      return child.pid
    },
    get running() {
      return child.running
    },
    get admin() {
      return admin()
    },
    get password() {
      return password
    },
    log,
    url(credentials = own()) {
      const username = encodeURIComponent(credentials.username ?? '')
      const secret = encodeURIComponent(credentials.password ?? '')
      const userinfo = username === '' && secret === '' ? '' : `${username}:${secret}@`
      return `${options.tls === undefined ? 'redis' : 'rediss'}://${userinfo}127.0.0.1:${port}`
    },
    cli: (...args) => cliWith(admin(), args),
    cliAs: (credentials, ...args) => cliWith(credentials, args),
    async setPassword(next) {
      const reply = await cliWith(admin(), [], `CONFIG SET requirepass ${redisQuote(next)}\n`)
      if (reply !== 'OK') throw new Error(`the password could not be changed: ${reply}`)
      password = next
    },
    pause: () => child.signal('SIGSTOP'),
    resume: () => child.signal('SIGCONT'),
    async kill() {
      child.signal('SIGKILL')
      await child.exited
    },
    async stop() {
      await child.stop()
    },
    start,
    async restart() {
      await child.stop()
      await start()
    },
  }
}
