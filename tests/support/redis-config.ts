import { createHash } from 'node:crypto'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface RedisOptions {
  /** Password of the default user; any string. */
  requirepass?: string
  /** A configuration file that is read first, such as one that we ship. */
  configFile?: string
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
    ...(aclPath === undefined ? [] : [`aclfile ${redisQuote(aclPath)}`]),
    ...(aclPath === undefined && password !== undefined
      ? [`requirepass ${redisQuote(password)}`]
      : []),
    ...(options.config ?? []),
  ]
  await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o600 })
  return path
}

async function writeAcl(
  dir: string,
  password: string | undefined,
  options: RedisOptions,
): Promise<string | undefined> {
  if (options.aclFile === undefined && options.users === undefined) return undefined
  const path = join(dir, 'users.acl')
  if (options.aclFile !== undefined) await copyFile(options.aclFile, path)
  const given = options.aclFile === undefined ? '' : await readFile(path, 'utf8')
  // With an ACL file Redis ignores requirepass: the default user needs its line there.
  const owner =
    password === undefined ? [] : [`user default on ${aclPassword(password)} ~* &* +@all`]
  const lines = [given.trimEnd(), ...owner, ...(options.users ?? [])].filter((line) => line !== '')
  await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o600 })
  return path
}
