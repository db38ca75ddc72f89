import { createHash } from 'node:crypto'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { aclUsers } from '../../server/cli-acl.ts'
import { readConfig } from '../../server/config.ts'

export interface RedisOptions {
  /** Password of the default user; any string. */
  requirepass?: string
  /** A configuration file that is read first, such as one that we ship. */
  configFile?: string
  /**
   * What the default user may: `least` is the rule that we ship, so that a command it lacks fails the
   * test; `all` is for tests that give Redis commands of their own as that user. Default `least`, but
   * `all` where the test brings users or an ACL file. `ROOMWIRE_TEST_RIGHTS=all` makes it `all`
   * everywhere.
   */
  rights?: 'least' | 'all'
  /** Settings that the shipped rule is made for, such as `PYTHON_SOCKETIO`; URLs have no place here. */
  settings?: Readonly<Record<string, string>>
  /** Further lines of configuration; they win over everything else. */
  config?: readonly string[]
  /** An ACL file to start from; it is copied. */
  aclFile?: string
  /** Further ACL lines, such as `user gw on ${aclPassword('…')} ~* &* +@all`. */
  users?: readonly string[]
  /** When an acknowledged write reaches the disk; false keeps no AOF. Default false. */
  appendonly?: 'always' | 'everysec' | false
  port?: number
  /** Data directory; kept when given, else a fresh one that is removed. */
  dir?: string
  /** Further arguments of the program. */
  args?: readonly string[]
  /** Serve TLS only, with these PEM files. */
  tls?: TlsFiles
  /** Clients need a certificate of the same authority. */
  mutualTls?: boolean
}

export interface TlsFiles {
  certFile: string
  keyFile: string
  caFile: string
}

/** The ACL form of a password, which may hold any character. */
export function aclPassword(password: string): string {
  return `#${createHash('sha256').update(password).digest('hex')}`
}

/** One argument in the syntax of redis.conf and of redis-cli's input, whatever its bytes. */
export function redisQuote(value: string): string {
  let quoted = ''
  for (const byte of Buffer.from(value)) quoted += `\\x${byte.toString(16).padStart(2, '0')}`
  return `"${quoted}"`
}

/** Who the tests are where they talk to Redis themselves, beside a default user of little rights. */
export const ADMIN = { username: 'admin', password: 'of the tests' }

/** Whether the default user has the shipped rule's rights only; then there is `ADMIN`. */
export function isLeast({ rights, users, aclFile }: RedisOptions): boolean {
  if (process.env['ROOMWIRE_TEST_RIGHTS'] === 'all') return false
  return (rights ?? ((users ?? aclFile) ? 'all' : 'least')) === 'least'
}

/** Writes redis.conf, and users.acl where there are users, into `dir`; returns the path of the first. */
export async function writeRedisConfig(
  dir: string,
  port: number,
  password: string | undefined,
  options: RedisOptions,
): Promise<string> {
  const path = join(dir, 'redis.conf')
  const aclPath = await writeAcl(dir, password, options)
  const { tls, appendonly = false } = options
  const lines = [
    ...(options.configFile === undefined ? [] : [`include ${redisQuote(options.configFile)}`]),
    'bind 127.0.0.1',
    'protected-mode no',
    'daemonize no',
    'logfile ""',
    `dir ${redisQuote(dir)}`,
    ...(tls === undefined
      ? [`port ${port}`]
      : [
          'port 0',
          `tls-port ${port}`,
          `tls-cert-file ${redisQuote(tls.certFile)}`,
          `tls-key-file ${redisQuote(tls.keyFile)}`,
          `tls-ca-cert-file ${redisQuote(tls.caFile)}`,
          `tls-auth-clients ${options.mutualTls ? 'yes' : 'no'}`,
        ]),
    ...(appendonly === false
      ? ['save ""', 'appendonly no']
      : ['save ""', 'appendonly yes', `appendfsync ${appendonly}`]),
    ...(isLeast(options)
      ? [`masteruser ${ADMIN.username}`, `masterauth ${redisQuote(ADMIN.password)}`]
      : password === undefined
        ? []
        : [`masterauth ${redisQuote(password)}`]),
    ...(aclPath === undefined ? [] : [`aclfile ${redisQuote(aclPath)}`]),
    ...(aclPath === undefined && password !== undefined
      ? [`requirepass ${redisQuote(password)}`]
      : []),
    ...(options.config ?? []),
  ]
  await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o600 })
  return path
}

/** What `roomwire acl` prints with these settings, for this user. */
export function shippedRule(
  user: string,
  password: string,
  settings: RedisOptions['settings'] = {},
): string {
  const [shared] = aclUsers(readConfig(settings).config)
  return String(shared?.rule)
    .replace('user roomwire ', `user ${user} `)
    .replace('#<sha256>', password)
}

async function writeAcl(
  dir: string,
  password: string | undefined,
  options: RedisOptions,
): Promise<string | undefined> {
  const least = isLeast(options)
  if (options.aclFile === undefined && options.users === undefined && !least) return undefined
  const path = join(dir, 'users.acl')
  if (options.aclFile !== undefined) await copyFile(options.aclFile, path)
  const given = options.aclFile === undefined ? '' : await readFile(path, 'utf8')
  // With an ACL file Redis ignores requirepass: the default user needs its line there.
  const secret = password === undefined ? 'nopass' : aclPassword(password)
  const owner = least
    ? [
        shippedRule('default', secret, options.settings),
        `user ${ADMIN.username} on ${aclPassword(ADMIN.password)} ~* &* +@all`,
      ]
    : password === undefined
      ? []
      : [`user default on ${secret} ~* &* +@all`]
  const lines = [given.trimEnd(), ...owner, ...(options.users ?? [])].filter((line) => line !== '')
  await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o600 })
  return path
}
